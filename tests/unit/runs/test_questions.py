"""What is asked of a table: each input once, and of too many some from all over it."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from unspool.data import Table
from unspool.runs.questions import as_json, column_of_questions, questions


def task(*, many_answers: bool) -> Any:
    return SimpleNamespace(
        sources=("text",),
        target="answer",
        many_answers=many_answers,
        alike=lambda values: values,
        as_text=lambda question, answer: f"{question}: {answer}",
    )


def table(count: int, times: int = 1) -> Table:
    return Table.from_rows([{"text": f"t{i // times}", "answer": f"a{i}"} for i in range(count * times)])


@pytest.mark.parametrize("many_answers", [False, True])
def test_of_too_many_rows_some_are_asked_from_the_first_on_and_evenly(many_answers: bool) -> None:
    asked = questions(table(10), task(many_answers=many_answers), 4)
    assert asked.inputs == ["t0", "t2", "t5", "t7"]
    assert asked.answers == [["t0: a0"], ["t2: a2"], ["t5: a5"], ["t7: a7"]]
    assert questions(table(10), task(many_answers=many_answers), 1).inputs == ["t0"]


@pytest.mark.parametrize("limit", [None, 5, 6, 100])
@pytest.mark.parametrize("many_answers", [False, True])
def test_all_are_asked_where_there_are_no_more(many_answers: bool, limit: int | None) -> None:
    assert questions(table(5), task(many_answers=many_answers), limit).inputs == [f"t{i}" for i in range(5)]


def test_the_spread_is_over_questions_not_over_their_answers() -> None:
    asked = questions(table(4, times=3), task(many_answers=True), 2)
    assert asked.inputs == ["t0", "t2"]
    assert asked.answers == [[f"t0: a{i}" for i in range(3)], [f"t2: a{i}" for i in range(6, 9)]]


def test_of_inputs_that_are_alike_the_answers_of_its_own_rows_come_first() -> None:
    asking = task(many_answers=True)
    asking.alike = lambda values: values[0][0]
    rows = [("a1", "one"), ("b1", "two"), ("a2", "three"), ("a1", "four"), ("a2", "one"), ("a2", "one")]
    asked = questions(Table.from_rows([{"text": text, "answer": answer} for text, answer in rows]), asking)
    assert asked.inputs == ["a1", "b1", "a2"]
    assert asked.answers == [
        ["a1: one", "a1: four", "a1: three", "a1: one", "a1: one"],
        ["b1: two"],
        ["a2: three", "a2: one", "a2: one", "a2: one", "a2: four"],
    ]


@pytest.mark.parametrize("many_answers", [False, True])
def test_where_nothing_is_read_every_question_has_its_group(many_answers: bool) -> None:
    asking = task(many_answers=many_answers)
    asking.sources = ()
    rows = table(3)
    assert column_of_questions(rows, asking, "text") == (["t0"] if many_answers else ["t0", "t1", "t2"])
    assert len(questions(rows, asking).inputs) == (1 if many_answers else 3)


def test_what_json_does_not_know_is_written_as_its_text() -> None:
    assert as_json({"größe": Decimal("1.50"), "x": [1.5, None]}) == '{"größe": "1.50", "x": [1.5, null]}'
