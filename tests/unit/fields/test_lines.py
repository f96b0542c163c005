"""Texts of several lines, an end between two."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool import fields
from unspool.fields import END, TextField

UNITS: dict[str, dict[str, Any]] = {"characters": {}, "words": {}, "bpe": {"size": 300}}
TEXTS = ["the cat\nsat on", "the mat", "a\n\nb"]


def fitted(unit: str, **arguments: Any) -> TextField:
    field = TextField(unit, **UNITS[unit], **arguments)  # type: ignore[arg-type]
    field.fit(TEXTS)
    return field


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text", [*TEXTS, "", "\n", "cat\n", "\ncat"])
def test_an_end_stands_between_lines_that_are_encoded_by_themselves(unit: str, text: str) -> None:
    field = fitted(unit, lines=True)
    expected: list[int] = []
    for number, line in enumerate(text.split("\n")):
        expected += [END] * (number > 0) + field.encode(line).tolist()
    assert field.encode(text).tolist() == expected
    assert END not in field.encode("the cat")


@pytest.mark.parametrize("unit", UNITS)
@given(st.lists(st.sampled_from(["", "the cat", "a b", "sat on the mat"]), min_size=1, max_size=5))
def test_lines_come_back(unit: str, lines: list[str]) -> None:
    text = "\n".join(lines)
    field = fitted(unit, lines=True)
    assert field.decode(field.encode(text)) == text


@pytest.mark.parametrize("unit", UNITS)
def test_the_end_of_a_line_is_learnt_only_where_lines_do_not_count(unit: str) -> None:
    with_lines, without = fitted(unit, lines=True), fitted(unit)
    assert (len(without) - len(with_lines)) == (unit == "characters")
    assert END not in without.encode("the cat\nsat on")


@pytest.mark.parametrize("unit", UNITS)
def test_many_are_as_one_by_one(unit: str) -> None:
    field = fitted(unit, lines=True)
    many = field.encode_many(TEXTS)
    assert all(torch.equal(one, field.encode(text)) for one, text in zip(many, TEXTS, strict=True))


def test_a_saved_field_keeps_its_lines_and_one_saved_before_there_were_any_has_none() -> None:
    saved = fitted("words", lines=True).to_json()
    loaded = fields.load(saved)
    assert loaded.encode("a\nb").tolist() == fitted("words", lines=True).encode("a\nb").tolist()
    older = {key: value for key, value in saved.items() if key not in ("lines", "split_punctuation")}
    assert END not in fields.load(older).encode("a\nb")


def test_lines_and_signs_go_together() -> None:
    field = TextField("words", lines=True, split_punctuation=True)
    field.fit(["Hi!\nWho is it?"])
    assert field.decode(field.encode("Hi!\nWho is it?")) == "Hi!\nWho is it?"
