"""A file larger than the memory it may use is read, encoded and batched."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTE = 1 << 20

PROGRAM = """
import resource, sys
from pathlib import Path
import torch
from unspool import data
import pyarrow.parquet

class Bytes:
    shape = "sequence"
    def encode(self, value): return torch.frombuffer(bytearray(value[:64].encode()), dtype=torch.uint8)
    def encode_many(self, values): return [self.encode(value) for value in values]
    def to_json(self): return {}

def taken():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmData:")[1].split()[0])

torch.set_num_threads(1)
data.describe({"train": data.Table.from_rows([{"n": "1"}])})  # load what is loaded late
resource.setrlimit(resource.RLIMIT_DATA, (taken() + CAP, taken() + CAP))
try:
    torch.ones(CAP + (1 << 20), dtype=torch.uint8)
    sys.exit("the cap does not hold")
except RuntimeError:
    pass
tables = data.load(path=sys.argv[1], split={"by": "n", "valid": 0.01, "test": 0})
encoded = data.encode(tables["train"], {"text": Bytes()})
order = data.Order(encoded.lengths("text"), tokens=4096, seed=0)
batches = order.from_cursor()
for _ in range(20):
    cursor, rows = next(batches)
    batch = encoded.batch(rows)
    for text, row in zip(batch["text"].split(), rows.tolist()):
        assert bytes(text.tolist()).decode() == tables["train"][row]["text"][:64]
print(len(tables["train"]) + len(tables["valid"]), batch.tokens)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no RLIMIT_DATA")
@pytest.mark.parametrize(("format", "size", "cap"), [("csv", 300, 96), ("jsonl", 150, 64)])
def test_a_file_larger_than_the_memory_cap_is_batched(
    tmp_path: Path, cache: Path, format: str, size: int, cap: int
) -> None:
    """Megabytes; what Python and PyTorch themselves take comes on top of the cap."""
    file = tmp_path / f"large.{format}"
    rows = size * MEGABYTE // 8192
    with file.open("w") as out:
        if format == "csv":
            out.write("n,text\n")
        for i in range(rows):
            text = f"row {i} " + "unspool " * (8192 // 8 - 3)
            out.write(f"{i},{text}\n" if format == "csv" else f'{{"n": "{i}", "text": "{text}"}}\n')
    assert file.stat().st_size > 0.99 * size * MEGABYTE
    program = PROGRAM.replace("CAP", str(cap * MEGABYTE))
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=False)
    file.unlink()  # pytest keeps the folders of several runs
    shutil.rmtree(cache)
    assert done.returncode == 0, done.stderr
    total, tokens = map(int, done.stdout.split())
    assert (total, tokens) == (rows, 4096)
