"""Lines one after another, as the one text that they are."""

from pathlib import Path

import numpy as np
import pytest

from unspool import data
from unspool.data import Table
from unspool.fields import TextField


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path))


def lines(texts: list[str]) -> data.Encoded:
    table = Table.from_rows([{"text": text} for text in texts])
    field = TextField(unit="characters")
    field.fit(["abc"])
    return data.encode(table, {"text": field})


def test_an_end_stands_before_the_first_line_and_after_each() -> None:
    text = data.running_text(lines(["ab", "", "cab"]), "text")
    assert text.tolist() == [2, 3, 4, 2, 2, 5, 3, 4, 2]
    assert text.dtype == np.int32


def test_it_is_made_once_and_is_another_for_other_lines() -> None:
    encoded = lines(["ab", "c"])
    assert data.running_text(encoded, "text").filename == data.running_text(encoded, "text").filename  # type: ignore[attr-defined]
    assert data.running_text(lines(["ba", "c"]), "text").tolist() != data.running_text(encoded, "text").tolist()


def test_more_lines_than_are_read_at_a_time() -> None:
    texts = ["abc"[: 1 + number % 3] for number in range(9001)]
    text = data.running_text(lines(texts), "text")
    assert len(text) == sum(map(len, texts)) + len(texts) + 1
    assert (text == 2).sum() == len(texts) + 1
