"""The E2E data set: what restaurants are, and how people said it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from unspool.data.fetching import download
from unspool.data.sources import rows_stream
from unspool.data.tables import Stream

COLUMNS = ("act", "text")
_ADDRESS = "https://raw.githubusercontent.com/tuetschek/e2e-dataset/ab0d967dd5729ce455ef14ba9ffafc456a335264"
_FILES = {"train": "trainset.csv", "valid": "devset.csv", "test": "testset_w_refs.csv"}
SHA256 = {
    "trainset.csv": "f27d48df45815288ab15619d47a79028c300fbb7f42e373668aba0b98c1d57c6",
    "devset.csv": "fc26b78cdb849c80545f513b223d1e051138b43882eeb79e3eb153e689c864f9",
    "testset_w_refs.csv": "edc8db685e39bb9824d5bd70c18b1c9b0412d14b527aa960e2d1c8251ee15ccd",
}


def e2e() -> dict[str, Stream]:
    """Acts as `name[The Vaults], food[French]`, and a sentence or some; the parts train, valid and test.

    Most acts stand in several rows, each with what another person said.

    Reference:
        Novikova, Dušek & Rieser (2017), The E2E Dataset: New Challenges For End-to-End Generation.
    """
    streams = {}
    for part, name in _FILES.items():
        file = download(f"{_ADDRESS}/{name}", SHA256[name])
        streams[part] = rows_stream(["e2e", SHA256[name]], partial(_rows, file), COLUMNS, f"`e2e` ({part})")
    return streams


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield row["mr"], row["ref"]
