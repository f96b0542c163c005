"""What this machine's processor can multiply at most, with the engine's own product on one thread and on all.

    python benchmarks/roofline.py [--rounds 9]

Rows of one step of an LSTM, as few and as many at once as the engine takes them, times packed weights of several sizes:
within the nearest cache, the second and the third. No engine that computes in float32 goes beyond the first line. Where
all threads together are hardly faster than one, they share what multiplies: the system's two processors are one core.
"""

import argparse
import ctypes
import statistics
from itertools import product
from pathlib import Path

import torch
from timing import table

from unspool.engine.native import compiler, emit

ROWS = (12, emit.ROWS)
SIZES = {  # by hidden size of an LSTM, how many numbers of a row and how many panels the hidden weights have
    "24 KB": (96, 1),
    "64 KB (H64)": (64, 4),
    "256 KB (H128)": (128, 8),
    "1 MB (H256)": (256, 16),
    "4 MB (H512)": (512, 32),
    "16 MB (H1024)": (1024, 64),
}


def measure(threads: list[int], rounds: int, seconds: float = 0.1) -> dict[tuple[str, int, int], float]:
    """The median GF/s, by size of the weights, number of rows and number of threads; in turn."""
    rate = compiler.load((Path(__file__).parent / "roofline.cpp").read_text(), "float").unspool_rate
    rate.restype = ctypes.c_double
    found: dict[tuple[str, int, int], list[float]] = {of: [] for of in product(SIZES, ROWS, threads)}
    for _ in range(rounds):
        for (name, rows, count), rates in found.items():
            sizes = (ctypes.c_int64(number) for number in (count, rows, *SIZES[name]))
            rates.append(rate(*sizes, ctypes.c_double(seconds)))
    return {of: statistics.median(rates) for of, rates in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    threads = sorted({1, torch.get_num_threads()})
    found = measure(threads, parser.parse_args().rounds)
    of = [*product(ROWS, threads)]
    header = ["GF/s", *(f"{rows} rows, {count} thread{'s' * (count > 1)}" for rows, count in of)]
    print(table(header, [[name, *(f"{found[name, *each]:.0f}" for each in of)] for name in SIZES]))


if __name__ == "__main__":
    main()
