"""The free spoken digit dataset, from an archive that stands in for its repository's."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unspool.data import load, spoken_digits
from unspool.errors import DataError

NAMES = [f"{digit}_{speaker}_{take}.wav" for digit in range(10) for speaker in ("ann", "bob") for take in range(30)]


class Answer(io.BytesIO):
    headers: dict[str, str] = {}


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the repository answers, and the pin of what is in it."""
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    held, packed = tmp_path / "held", io.BytesIO()
    held.mkdir()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("free-spoken-digit-dataset-26eb/README.md", "about")
        for name in NAMES:
            (held / name).write_bytes(name.encode())
            opened.writestr(f"free-spoken-digit-dataset-26eb/recordings/{name}", name.encode())
    answers = {"content": packed.getvalue(), "asked": 0}

    def urlopen(url: str, timeout: float) -> Answer:
        answers["asked"] += 1
        if answers["content"] is None:
            raise urllib.error.URLError("no route")
        return Answer(answers["content"])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(spoken_digits, "CONTENT", spoken_digits.content_of(held))
    return answers


def test_recordings_are_rows_of_the_official_split_and_fetched_once(archive: dict[str, Any]) -> None:
    tables = load(source="fsdd", columns={"sound": "file", "text": "digit", "take": "take", "speaker": "speaker"})
    names = {part: {Path(path).name for path in table.column("sound")} for part, table in tables.items()}
    assert {int(take) for take in tables["test"].column("take")} == set(range(5))
    assert {int(take) for take in tables["train"].column("take")} == set(range(5, 30))
    assert sum(map(len, names.values())) == len(set().union(*names.values())) == len(NAMES)
    assert 0 < len(names["valid"]) < len(names["train"]) / 8
    row = next(row for row in tables["test"] if Path(row["sound"]).name == "7_bob_3.wav")
    assert (row["text"], row["speaker"], Path(row["sound"]).read_text()) == ("seven", "bob", "7_bob_3.wav")
    load(source="fsdd")
    assert archive["asked"] == 1


def test_other_recordings_than_were_pinned_are_refused_and_not_kept(
    archive: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = spoken_digits.CONTENT
    monkeypatch.setattr(spoken_digits, "CONTENT", "0" * 64)
    with pytest.raises(DataError, match=r"26eb9aaf76e81b692f806f9140c2d2777410d7a1` came without the recordings that"):
        load(source="fsdd")
    monkeypatch.setattr(spoken_digits, "CONTENT", pinned)
    assert len(load(source="fsdd")) == 3


def test_no_answer_is_told(archive: dict[str, Any]) -> None:
    archive["content"] = None
    with pytest.raises(DataError, match=r"can't be fetched: no route"):
        load(source="fsdd")
