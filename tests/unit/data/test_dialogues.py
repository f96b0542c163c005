"""Dialogues as replies."""

import json
from pathlib import Path
from typing import Any

import pytest

from unspool.data import Table, load, replies
from unspool.errors import DataError

TALK = ["Hi!", "Hello.", "Do you\n like  rain?", " ", "Yes."]


def dialogues(tmp_path: Path, count: int = 40) -> Path:
    path = tmp_path / "talk.jsonl"
    rows = [{"topic": f"t{i % 3}", "turns": [f"{i} {turn}" for turn in range(2 + i % 4)]} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("history", [1, 2, 3, 9])
def test_each_turn_but_the_first_answers_the_last_few_before_it(history: int) -> None:
    said = ["Hi!", "Hello.", "Do you like rain?", "Yes."]  # a turn is one line, and one without text was not said
    table = replies(Table.from_rows([{"turns": TALK, "topic": "rain"}]), history=history)
    assert list(table) == [
        {"history": "\n".join(said[:end][-history:]), "turn": said[end], "topic": "rain"} for end in range(1, 4)
    ]


def test_other_columns_keep_their_kinds_and_lonely_turns_are_no_replies() -> None:
    rows: list[dict[str, Any]] = [
        {"said": ["a", "b"], "stars": 3},
        {"said": ["c"], "stars": 4},
        {"said": [], "stars": 5},
    ]
    assert list(replies(Table.from_rows(rows), turns="said")) == [{"history": "a", "turn": "b", "stars": 3}]


def test_the_same_dialogues_give_the_same_table_and_another_history_another_one() -> None:
    table = Table.from_rows([{"turns": TALK}])
    assert replies(table).key == replies(table).key
    assert replies(table).key != replies(table, history=2).key


def test_parts_are_cut_by_dialogue(tmp_path: Path) -> None:
    path = dialogues(tmp_path)
    tables = load(path=path, split={"by": "turns", "valid": 0.3, "test": 0.3}, dialogues={"history": 2})
    numbers = {part: {row["turn"].split()[0] for row in table} for part, table in tables.items()}
    assert all(numbers.values())
    assert sum(map(len, numbers.values())) == len(set().union(*numbers.values())) == 40
    assert sum(map(len, tables.values())) == sum(1 + i % 4 for i in range(40))


def test_dialogues_stay_dialogues_where_nothing_is_said(tmp_path: Path) -> None:
    (tables,) = load(path=dialogues(tmp_path)).values()
    assert tables.columns == ("topic", "turns")


MISTAKES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "no such column": ([{"turn_list": ["a"]}], {}, "`turns` is no column of memory; there is only `turn_list`"),
    "texts": (
        [{"turns": "a"}],
        {},
        "row 0 of `turns` in memory must be a list of texts, what was said turn by turn, but is 'a'",
    ),
    "numbers": ([{"turns": [1, 2]}], {}, "but is [1, 2]"),
    "nothing": ([{"turns": ["a", "b"]}, {"turns": None}], {}, "row 1 of `turns` in memory must be a list"),
    "taken": (
        [{"turns": ["a"], "history": "b"}],
        {},
        "`history` must not be a column of dialogues, since it is one of their replies, but memory has it",
    ),
    "no history": ([{"turns": ["a"]}], {"history": 0}, "`history` must be a whole number of at least 1, but is 0"),
    "no reply": ([{"turns": ["a"]}], {}, "`turns` of memory must hold a reply, but no dialogue has two turns"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    rows, arguments, message = MISTAKES[name]
    with pytest.raises(DataError) as error:
        replies(Table.from_rows(rows), **arguments)
    assert message in str(error.value)
