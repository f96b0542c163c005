"""What this machine's processor can multiply at most, with the engine's own product on one thread and on all.

    python benchmarks/roofline.py [--rounds 9]

Rows of one step of an LSTM (12 at once, as the engine takes them where weights are near) times packed weights of
several sizes: within the nearest cache, the second and the third. No engine that computes in float32 goes beyond the
first line. Where all threads together are hardly faster than one, they share what multiplies: the system's two
processors are one core.
"""

import argparse
import ctypes
import statistics
from pathlib import Path

import torch
from timing import table

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


def measure(threads: list[int], rounds: int, seconds: float = 0.1) -> dict[tuple[str, int], float]:
    """The median GF/s, by size of the weights and number of threads; in turn."""
    rate = compiler.load((Path(__file__).parent / "roofline.cpp").read_text(), "float").unspool_rate
    rate.restype = ctypes.c_double
    found: dict[tuple[str, int], list[float]] = {(name, count): [] for name in SIZES for count in threads}
    for _ in range(rounds):
        for (name, count), rates in found.items():
            sizes = (ctypes.c_int64(number) for number in (count, ROWS, *SIZES[name]))
            rates.append(rate(*sizes, ctypes.c_double(seconds)))
    return {of: statistics.median(rates) for of, rates in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    threads = sorted({1, torch.get_num_threads()})
    found = measure(threads, parser.parse_args().rounds)
    header = ["GF/s", *(f"{count} thread{'s' * (count > 1)}" for count in threads)]
    print(table(header, [[name, *(f"{found[name, count]:.0f}" for count in threads)] for name in SIZES]))


if __name__ == "__main__":
    main()
