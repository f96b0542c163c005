"""What a step frees stays with the process, where the C library can be told so."""

import subprocess
import sys

import pytest

RUN = """
import random, resource, torch
from unspool.training.allocation import keep_freed
chance = random.Random(0)
def step():
    parts = [torch.ones(chance.randint({largest} // 100, {largest})) for _ in range({parts})]
    while parts:
        parts.pop(chance.randrange(len(parts)))
def faults():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), keep_freed(), faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="told to glibc alone")
@pytest.mark.parametrize(("largest", "parts"), [(1_000_000, 40), (15_000_000, 4)])  # 4 and 60 MB
def test_pages_are_not_asked_for_again_at_each_step(largest: int, parts: int) -> None:
    program = RUN.format(largest=largest, parts=parts)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    many, kept, few = done.stdout.split()
    if kept != "True":
        pytest.skip("the C library is not glibc")
    assert int(few) < int(many) / 3
