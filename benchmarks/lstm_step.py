"""One layer over ragged batches, against torch.nn over padded and packed ones.

    python benchmarks/lstm_step.py [--cells LSTM GRU Elman] [--engine NAME] [--rounds 15] [--seed 0]

Lengths are uniform in [T/4, T]. `packed` starts from a padded batch and packs it, as one does; `padded` ignores lengths
and computes the padding; `from padded` is ours from the same padded batch; `ragged` is ours from a `Ragged`, on the
engine of choice or on the one named. GF/s count the products of real steps only: forward 2 · gates · hidden ·
(input + hidden) a step, a training step three times that. Ratios are medians of one run over medians of the same run.
"""

import argparse
from contextlib import nullcontext

import torch
from timing import medians, table
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from unspool import Ragged, engine, from_torch, unroll

SHAPES = [(64, 16, 100), (128, 32, 50), (256, 64, 50), (512, 64, 50)]
KINDS = {"LSTM": (nn.LSTM, 4), "GRU": (nn.GRU, 3), "Elman": (nn.RNN, 1)}


def measure(kind: str, hidden: int, batch: int, time: int, rounds: int) -> tuple[dict[str, float], float, str]:
    """Seconds of a training step by contender; products of a training step in GF; the engine that ran."""
    layer, gates = KINDS[kind]
    theirs = layer(hidden, hidden, batch_first=True)
    ours = from_torch(theirs)
    lengths = torch.randint(time // 4, time + 1, (batch,))
    x = torch.randn(batch, time, hidden, requires_grad=True)
    ragged = Ragged.from_padded(x.detach(), lengths)
    leaf = ragged.with_values(ragged.values.requires_grad_())

    def packed() -> None:
        outputs, _ = theirs(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        outputs.data.sum().backward()

    def padded() -> None:
        theirs(x)[0].sum().backward()

    def from_padded() -> None:
        unroll(ours, Ragged.from_padded(x, lengths)).outputs.values.sum().backward()

    def from_ragged() -> None:
        fresh = Ragged(leaf.values, leaf.lengths)  # a new batch every step: its index tables are part of the cost
        unroll(ours, fresh).outputs.values.sum().backward()

    runs = {"packed": packed, "padded": padded, "from padded": from_padded, "ragged": from_ragged}
    flops = 3 * 2 * gates * hidden * 2 * hidden * int(lengths.sum())
    return medians(runs, rounds=rounds), flops / 1e9, engine.choose(ours, ragged)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--engine", help="ours on this engine, for a cell that it takes")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, median of {options.rounds}, training step\n")
    header = ["cell, shape", "engine", "packed", "padded", "from padded", "ragged", "ours / packed", "ours / padded"]
    rows = []
    for kind in options.cells:
        for hidden, batch, time in SHAPES:
            with engine.using(options.engine) if options.engine else nullcontext():
                seconds, work, ran = measure(kind, hidden, batch, time, options.rounds)
            speeds = [f"{work / found:.0f} GF/s" for found in seconds.values()]
            ratios = [f"{seconds[peer] / seconds['ragged']:.2f}x" for peer in ("packed", "padded")]
            rows.append([f"{kind} H{hidden} B{batch} T{time}", ran, *speeds, *ratios])
    print(table(header, rows))


if __name__ == "__main__":
    main()
