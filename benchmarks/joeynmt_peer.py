"""JoeyNMT 2.3's recurrent encoder–decoder at one job, measured with its own model, loss, optimiser and search.

    PEER_PYTHON benchmarks/joeynmt_peer.py --job JOB.json --weights FILE.pt

`joeynmt_speed.py` writes the job and calls this in the environment that holds JoeyNMT; figures go out as one line of
JSON. A call that finds no weights trains the job's lessons first and saves them. What is timed is what JoeyNMT's
trainer and predictor do to one of its batches (`TrainManager._train_step`, `predict`); that reading, tokenising and
padding them is left out is in its favour. Dropout and clipping are off, all else is its default.
"""

import argparse
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PAD, START, END = 1, 2, 3  # JoeyNMT's own numbers; 0 is its unknown symbol
GATES = {"lstm": 4, "gru": 3}
WARM_UP = 3


def work_per_token(job: dict[str, Any], *, feeding: bool) -> float:
    """GF of products that training needs for one target token, end symbol included; nothing on padding, nothing twice.

    A product of an n-vector with an n×m matrix is 2·n·m; forward and backward are three times forward. With G gates,
    H the hidden size (each direction), E the embedding, V the target symbols:

        source symbol    both directions of each layer  2 · 2 · G·H · (input + H), input = E, then 2H;  keys  2 · 2H·H
        word             bridge                         2 · 2H·H
        target token     each layer                     2 · G·H · (input + H), input = E (+ H with feeding), then H
                         query                          2 · H·H
                         attention's output             2 · 3H·H
                         symbols                        2 · H·V
        token × symbol   energy and weighted sum        2 · H + 2 · 2H
    """
    sizes = job["sizes"]
    hidden, embedding, layers, gates = sizes["hidden"], sizes["embedding"], sizes["layers"], GATES[job["cell"]]
    vocabulary = len(job["target_symbols"]) + 4
    encoder = sum(4 * gates * hidden * ((2 * hidden if i else embedding) + hidden) for i in range(layers))
    first = embedding + (hidden if feeding else 0)
    decoder = sum(2 * gates * hidden * ((hidden if i else first) + hidden) for i in range(layers))
    source_symbol = encoder + 4 * hidden * hidden
    target_token = decoder + 2 * hidden * hidden + 6 * hidden * hidden + 2 * hidden * vocabulary
    pairs = [(len(word) + 1, len(phones) + 1) for batch in job["batches"] for word, phones in batch]
    flops = sum(
        source * source_symbol + 4 * hidden * hidden + target * target_token + source * target * 6 * hidden
        for source, target in pairs
    )
    return 3 * flops / sum(target for _, target in pairs) / 1e9


def decoded(
    outputs: list[list[str]], ended: int, references: list[list[list[str]]], seconds: float
) -> dict[str, float]:
    """Figures of one decoding: words/s, and enough of what came out to see that both sides did comparable work.

    `outputs` are without the end symbol; `ended` is how many had one before the limit; lengths are without it too.
    """
    wrong = sum(output not in known for output, known in zip(outputs, references, strict=True))
    return {
        "words_per_second": len(outputs) / seconds,
        "mean_length": statistics.mean(map(len, outputs)),
        "ended": 100 * ended / len(outputs),
        "wrong": 100 * wrong / len(outputs),
    }


class Peer:
    """JoeyNMT's model of a job, its batches, its training step and its search."""

    def __init__(self, job: dict[str, Any]) -> None:
        import torch
        from joeynmt.builders import build_optimizer
        from joeynmt.model import build_model
        from joeynmt.vocabulary import Vocabulary

        special = SimpleNamespace(
            unk_id=0, unk_token="<unk>", pad_id=PAD, pad_token="<pad>", bos_id=START, bos_token="<s>",
            eos_id=END, eos_token="</s>", sep_id=None, sep_token=None, lang_tags=[],
        )  # fmt: skip
        torch.manual_seed(job["seed"])
        self.job = job
        self.source = Vocabulary(job["source_symbols"], special)
        self.target = Vocabulary(job["target_symbols"], special)
        self.model = build_model(configuration(job), self.source, self.target)
        self.model.loss_function = ("crossentropy", 0.0)
        learning = {"optimizer": "adam", "learning_rate": job["learning_rate"]}
        self.optimizer = build_optimizer(learning, self.model.parameters())

    def batch(self, words: list[list[str]], phones: list[list[str]] | None = None) -> Any:
        import torch
        from joeynmt.batch import Batch

        source, lengths, _ = self.source.sentences_to_ids(words, bos=False, eos=True)
        target = None if phones is None else torch.tensor(self.target.sentences_to_ids(phones, bos=True, eos=True)[0])
        return Batch(
            src=torch.tensor(source), src_length=torch.tensor(lengths), src_prompt_mask=None, trg=target,
            trg_prompt_mask=None, indices=torch.arange(len(words)), device=torch.device("cpu"),
            pad_index=PAD, eos_index=END, is_train=phones is not None,
        )  # fmt: skip

    def training(self, pairs: list[list[list[str]]]) -> Any:
        return self.batch([word for word, _ in pairs], [phones for _, phones in pairs])

    def step(self, batch: Any) -> float:
        """`TrainManager._train_step` and the update that follows it, with the default normalisation."""
        self.model.train()
        batch.sort_by_src_length()
        loss, _, _, correct = self.model(return_type="loss", **vars(batch))
        loss = batch.normalize(loss, normalization="batch")
        loss.backward()
        mean = loss.item()
        correct.item()
        self.optimizer.step()
        self.model.zero_grad()
        return float(mean)

    def learn(self) -> None:
        for number, pairs in enumerate(self.job["lessons"], start=1):
            mean = self.step(self.training(pairs))
            if number % 50 == 0:
                print(f"JoeyNMT, step {number}: loss a word {mean:.3f}", file=sys.stderr, flush=True)

    def train_figures(self) -> dict[str, float]:
        batches = [self.training(pairs) for pairs in self.job["batches"]]
        for batch in batches[:WARM_UP]:
            self.step(batch)
        seconds = elapsed(lambda: [self.step(batch) for batch in batches])
        work = work_per_token(self.job, feeding=True)
        speed = sum(batch.ntokens for batch in batches) / seconds
        return {"tokens_per_second": speed, "gf_per_token": work, "gf_per_second": speed * work}

    def decode_figures(self, beam: int) -> dict[str, float]:
        self.model.eval()
        self.search(self.batch(self.job["decode"][0]), beam)
        batches = [self.batch(words) for words in self.job["decode"]]
        rows: list[list[str]] = []
        seconds = elapsed(lambda: rows.extend(row for batch in batches for row in self.search(batch, beam)))
        ended = sum(row[-1:] == ["</s>"] for row in rows)
        phones = [row[:-1] if row[-1:] == ["</s>"] else row for row in rows]
        return decoded(phones, ended, self.job["references"], seconds)

    def search(self, batch: Any, beam: int) -> list[list[str]]:
        """`predict` on one batch: sorted by length, searched, put back in order, ids made into symbols."""
        from joeynmt.search import search

        back = batch.sort_by_src_length()
        outputs, _, _ = search(
            model=self.model, batch=batch, beam_size=beam, beam_alpha=self.job["alpha"], n_best=1,
            max_output_length=self.job["longest"], return_prob="none",
        )  # fmt: skip
        return list(self.target.arrays_to_sentences(outputs[back], cut_at_eos=True))


def configuration(job: dict[str, Any]) -> dict[str, Any]:
    """The `model` part of a JoeyNMT configuration file."""
    sizes = job["sizes"]
    part = {
        "type": "recurrent",
        "rnn_type": job["cell"],
        "hidden_size": sizes["hidden"],
        "num_layers": sizes["layers"],
        "embeddings": {"embedding_dim": sizes["embedding"]},
        "dropout": 0.0,
    }
    decoder = {"attention": "bahdanau", "input_feeding": True, "init_hidden": "bridge", "hidden_dropout": 0.0}
    return {"encoder": {**part, "bidirectional": True}, "decoder": {**part, **decoder}}


def elapsed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def figures(job: dict[str, Any], weights: Path, make: Callable[[dict[str, Any]], Any] = Peer) -> dict[str, Any]:
    """One round of a contender: decoding with the weights learnt, then training on from them."""
    import torch

    if job["threads"]:
        torch.set_num_threads(job["threads"])
    peer = make(job)
    if not weights.exists():
        peer.learn()
        torch.save(peer.model.state_dict(), weights)
    peer.model.load_state_dict(torch.load(weights))
    found = {"greedy": peer.decode_figures(1), "beam": peer.decode_figures(job["beam"])}
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(parameter.numel() for parameter in peer.model.parameters()),
        "train": peer.train_figures(),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", type=Path, required=True, help="written by joeynmt_speed.py")
    parser.add_argument("--weights", type=Path, required=True, help="learnt and saved here if the file is not there")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    print(json.dumps(figures(json.loads(options.job.read_text(encoding="utf-8")), options.weights)))


if __name__ == "__main__":
    main()
