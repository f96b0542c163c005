"""What this machine's processor can multiply at most, with the engine's own product on one thread and on all.

    python benchmarks/roofline.py [--rounds 9]

Rows of one step of an LSTM (12 at once, as the engine takes them) times packed weights of several sizes: within the
nearest cache, the second and the third. No engine that computes in float32 goes beyond the first line. Where all
threads together are hardly faster than one, they share what multiplies: the system's two processors are one core.
"""

import argparse
import ctypes
import statistics
from pathlib import Path

import torch

from unspool.engine.native import compiler

ROWS = 12
SIZES = {  # by hidden size of an LSTM, how many numbers of a row and how many panels the hidden weights have
    "24 KB": (96, 1),
    "64 KB (H64)": (64, 4),
    "256 KB (H128)": (128, 8),
    "1 MB (H256)": (256, 16),
    "4 MB (H512)": (512, 32),
    "16 MB (H1024)": (1024, 64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    rate = compiler.load((Path(__file__).parent / "roofline.cpp").read_text(), "float").unspool_rate
    rate.restype = ctypes.c_double
    counts = sorted({1, torch.get_num_threads()})
    found: dict[tuple[str, int], list[float]] = {(name, count): [] for name in SIZES for count in counts}
    for _ in range(rounds):
        for (name, count), rates in found.items():
            sizes = (ctypes.c_int64(n) for n in (count, ROWS, *SIZES[name]))
            rates.append(rate(*sizes, ctypes.c_double(0.1)))
    print("| weights | " + " | ".join(f"{count} thread{'s' * (count > 1)}, GF/s" for count in counts) + " |")
    print("|---" * (1 + len(counts)) + "|")
    for name in SIZES:
        cells = (found[name, count] for count in counts)
        print(
            f"| {name} | " + " | ".join(f"{statistics.median(r):.0f} ({min(r):.0f}–{max(r):.0f})" for r in cells) + " |"
        )


if __name__ == "__main__":
    main()
