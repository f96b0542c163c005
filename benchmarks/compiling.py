"""How long until a cell runs on the native engine: compiled for the first time, and from the cache.

    python benchmarks/compiling.py [--cells LSTM GRU LayerNormLSTM PeepholeLSTM] [--rounds 3]

In seconds, medians, of tracing and compiling together. The first cell of all in an empty cache brings the loop over
time along, and waits for what tracing imports; another one, which is of another width, finds both there. From the cache
they are asked for in a new process, in the same order.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from timing import table

SIZES = (256, 255)
ASK = """
import sys, time
from unspool import cells
from unspool.engine import native

for size in map(int, sys.argv[2:]):
    start = time.perf_counter()
    found = native.compiled(getattr(cells, sys.argv[1])(size, size))
    assert isinstance(found, native.Native), found
    print(time.perf_counter() - start)
"""


def asked(name: str, cache: str, sizes: tuple[int, ...]) -> list[float]:
    """The seconds for each size of a cell, one after another in one new process."""
    command = [sys.executable, "-c", ASK, name, *map(str, sizes)]
    environment = {**os.environ, "UNSPOOL_CACHE": cache}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def measure(names: list[str], rounds: int, sizes: tuple[int, ...] = SIZES) -> dict[str, list[float]]:
    """By cell: the first of all and another compiled, the first and another from the cache."""
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as cache:
                found[name].append([*asked(name, cache, sizes), *asked(name, cache, sizes)])
    return {name: [statistics.median(each) for each in zip(*times, strict=True)] for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["LSTM", "GRU", "LayerNormLSTM", "PeepholeLSTM"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    header = ["seconds", "first of all", "another", "first from cache", "another from cache"]
    rows = measure(options.cells, options.rounds).items()
    print(table(header, [[name, *(f"{each:.2f}" for each in seconds)] for name, seconds in rows]))


if __name__ == "__main__":
    main()
