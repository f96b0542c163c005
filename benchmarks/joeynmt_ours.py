"""Our encoder–decoder at the job of `joeynmt_peer.py`, in an ordinary loop, with the optimiser and the allocation of
`unspool train`: PyTorch's fused AdamW, here without decay (Adam), and freed memory kept for the next step.

    python benchmarks/joeynmt_ours.py --job JOB.json --weights FILE.pt [--feeding] [--bfloat16]

By default attention is multi-head, read after the recurrence, so that training runs whole sequences at once; with
`--feeding` it is additive and feeds the next step, as JoeyNMT's. With `--bfloat16` products are of bfloat16 numbers.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import joeynmt_peer
import torch
from joeynmt_peer import WARM_UP, decoded, elapsed, work_per_token

from unspool import Ragged, cells
from unspool.decode import beam_search, greedy
from unspool.models import encoder_decoder
from unspool.training import adamw
from unspool.training.allocation import keep_freed


class Ours:
    """The model of a job, its batches, its training step and its search."""

    def __init__(self, job: dict[str, Any], *, feeding: bool, bfloat16: bool = False) -> None:
        torch.manual_seed(job["seed"])
        self.job, self.feeding = job, feeding
        self.products = partial(torch.autocast, "cpu", torch.bfloat16, enabled=bfloat16)
        self.source = {symbol: i for i, symbol in enumerate(job["source_symbols"], start=3)}
        self.target = {symbol: i for i, symbol in enumerate(job["target_symbols"], start=3)}
        sizes = job["sizes"]
        self.model = encoder_decoder(
            len(self.source) + 3,
            len(self.target) + 3,
            embedding_size=sizes["embedding"],
            hidden_size=sizes["hidden"],
            num_layers=sizes["layers"],
            cell={"lstm": cells.LSTM, "gru": cells.GRU}[job["cell"]],
            attention="additive" if feeding else "multihead",
            heads=4,
            feeding=feeding,
            dropout=0.0,
        )
        self.optimiser = adamw(self.model, learning_rate=job["learning_rate"], weight_decay=0.0)

    @staticmethod
    def ragged(rows: list[list[str]], ids: dict[str, int]) -> Ragged:
        return Ragged(torch.tensor([ids[symbol] for row in rows for symbol in row]), [len(row) for row in rows])

    def training(self, pairs: list[list[list[str]]]) -> tuple[Ragged, Ragged]:
        words, phones = zip(*pairs, strict=True)
        return self.ragged(list(words), self.source), self.ragged(list(phones), self.target)

    def step(self, source: Ragged, target: Ragged) -> float:
        self.model.train()
        with self.products():
            loss = self.model.loss(source, target) / source.batch_size
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def learn(self) -> None:
        for number, pairs in enumerate(self.job["lessons"], start=1):
            mean = self.step(*self.training(pairs))
            if number % 50 == 0:
                print(f"ours, step {number}: loss a word {mean:.3f}", file=sys.stderr, flush=True)

    def train_figures(self) -> dict[str, float]:
        for pairs in self.job["batches"][:WARM_UP]:
            self.step(*self.training(pairs))
        # Made anew, since a batch keeps the index tables of its first step.
        batches = [self.training(pairs) for pairs in self.job["batches"]]
        seconds = elapsed(lambda: [self.step(*batch) for batch in batches])
        work = work_per_token(self.job, feeding=self.feeding)
        speed = sum(len(target.values) + target.batch_size for _, target in batches) / seconds
        return {"tokens_per_second": speed, "gf_per_token": work, "gf_per_second": speed * work}

    def decode_figures(self, beam: int) -> dict[str, float]:
        self.model.eval()
        symbols = {i: symbol for symbol, i in self.target.items()}
        self.search(self.ragged(self.job["decode"][0], self.source), beam)
        batches = [self.ragged(words, self.source) for words in self.job["decode"]]
        rows: list[tuple[list[str], bool]] = []

        def run() -> None:
            for batch in batches:
                rows.extend(([symbols[i] for i in ids], complete) for ids, complete in self.search(batch, beam))

        seconds = elapsed(run)
        outputs = [row for row, _ in rows]
        return decoded(outputs, sum(complete for _, complete in rows), self.job["references"], seconds)

    @torch.no_grad()
    def search(self, source: Ragged, beam: int) -> list[tuple[list[int], bool]]:
        longest = self.job["longest"] - 1  # the end symbol is not counted here
        with self.products():
            encoded = self.model.encode(source)
            if beam == 1:
                found = greedy(self.model, encoded, max_length=longest)
            else:
                alpha = self.job["alpha"]
                best = beam_search(self.model, encoded, size=beam, max_length=longest, length_penalty=alpha)
                found = [hypotheses[0] for hypotheses in best]
        return [(hypothesis.tokens.tolist(), hypothesis.complete) for hypothesis in found]


def figures(job: dict[str, Any], weights: Path, *, feeding: bool, bfloat16: bool = False) -> dict[str, Any]:
    """One round of ours."""
    return joeynmt_peer.figures(job, weights, lambda job: Ours(job, feeding=feeding, bfloat16=bfloat16))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", type=Path, required=True, help="written by joeynmt_speed.py")
    parser.add_argument("--weights", type=Path, required=True, help="learnt and saved here if the file is not there")
    parser.add_argument("--feeding", action="store_true", help="additive attention that feeds the next step")
    parser.add_argument("--bfloat16", action="store_true", help="products of bfloat16 numbers")
    options = parser.parse_args()
    keep_freed()
    job = json.loads(options.job.read_text(encoding="utf-8"))
    print(json.dumps(figures(job, options.weights, feeding=options.feeding, bfloat16=options.bfloat16)))


if __name__ == "__main__":
    main()
