"""What a step frees stays with the process, where the C library can be told so."""

import subprocess
import sys

import pytest

RUN = """
import random, resource, torch
from unspool.training.allocation import keep_freed
kept = {keep} and keep_freed()
chance = random.Random(0)
def step():
    parts = [torch.ones(chance.randint(10_000, 1_000_000)) for _ in range(40)]
    while parts:
        parts.pop(chance.randrange(len(parts)))
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> tuple[str, int]:
    done = subprocess.run([sys.executable, "-c", RUN.format(keep=keep)], capture_output=True, text=True, check=True)
    said, count = done.stdout.split()
    return said, int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="told to glibc alone")
def test_pages_are_not_asked_for_again_at_each_step() -> None:
    kept, few = faults(keep=True)
    if kept != "True":
        pytest.skip("the C library is not glibc")
    _, many = faults(keep=False)
    assert few < many / 3
