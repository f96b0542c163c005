"""Questions about stories in bAbI's format: a row a question, and what is said of a line that is none."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data import load, read
from unspool.errors import DataError
from unspool.fields import TextField

TASK = """\
1 Mary moved to the bathroom.
2 John went  to the hallway.
3 Where is Mary? \tbathroom\t1

4 Daniel took the milk there.
5 Is Daniel carrying anything?\tmilk,apple\t4 2
1 The sun is up.
2 Is it?\tyes
"""
ROWS = [
    ("Mary moved to the bathroom\nJohn went to the hallway", "Where is Mary", "bathroom", "qa1", "1"),
    (
        "Mary moved to the bathroom\nJohn went to the hallway\nDaniel took the milk there",
        "Is Daniel carrying anything",
        "milk,apple",
        "qa1",
        "3 2",
    ),
    ("The sun is up", "Is it", "yes", "qa1", ""),
]


@pytest.mark.parametrize("name", ["qa1_train.txt", "qa1_train.txt.gz", "qa1.valid.txt"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_question_is_a_row_with_the_facts_before_it(tmp_path: Path, name: str, ending: str) -> None:
    content = TASK.replace("\n", ending).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table = read(tmp_path / name, format="babi")
    assert table.columns == ("story", "question", "answer", "task", "support")
    assert [tuple(row.values()) for row in table] == ROWS


def test_blanks_divide_a_story_into_words(tmp_path: Path) -> None:
    (tmp_path / "qa1.txt").write_text(TASK)
    table = read(tmp_path / "qa1.txt", format="babi")
    field = TextField("words", lowercase=True)
    field.fit(table.column("story"))
    assert field.decode(field.encode(table[0]["story"])) == "mary moved to the bathroom john went to the hallway"
    assert not any(sign in "".join(field.to_json()["vocabulary"]) for sign in ".?\t\n")


def test_several_files_make_a_part_and_each_is_a_task(tmp_path: Path) -> None:
    for task in (2, 10, 1):
        facts = f"1 Fact {task}.\n2 Which?\t{task}\t1\n"
        (tmp_path / f"qa{task}_train.txt.gz").write_bytes(gzip.compress(facts.encode()))
        (tmp_path / f"qa{task}_test.txt").write_text(facts * 2)
    tables = load(
        path=tmp_path,
        format="babi",
        columns={"words": "story", "kind": "task", "answer": "answer"},
        parts={"train": "qa*_train.txt.gz", "test": "qa*_test.txt"},
        rows={"test": {"task": ["qa2", "qa1"]}},
    )
    assert [tuple(row.values()) for row in tables["train"]] == [
        ("Fact 10", "qa10", "10"),
        ("Fact 1", "qa1", "1"),
        ("Fact 2", "qa2", "2"),
    ]
    assert list(tables["test"].column("kind")) == ["qa1", "qa1", "qa2", "qa2"]


def test_the_task_is_the_beginning_of_the_file_s_name(tmp_path: Path) -> None:
    for name, task in {
        "qa19_path-finding_train.txt": "qa19",
        "houses.txt": "houses",
        "my stories": "my stories",
        "_x": "_x",
    }.items():
        (tmp_path / name).write_text("1 A b.\n2 C?\td\n")
        assert list(read(tmp_path / name, format="babi").column("task")) == [task]


def test_a_column_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "qa1.txt").write_text(TASK)
    with pytest.raises(DataError) as error:
        read(tmp_path / "qa1.txt", format="babi", columns=["storys"])
    assert str(error.value) == (
        f"`storys` is no column of `{tmp_path}/qa1.txt`; there are story, question, answer, task, support "
        "(nearest: `story`)"
    )


WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3).map(" ".join)
LINES = st.lists(st.tuples(WORDS, st.none() | WORDS), max_size=5)
STORIES = st.lists(st.tuples(WORDS, LINES), min_size=1, max_size=3)


@given(STORIES)
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, drawn: list) -> None:  # type: ignore[type-arg]
    written, expected = [], []
    for opening, more in drawn:
        facts = [opening]
        written.append(f"1 {opening}.")
        for number, (text, answer) in enumerate(more, 2):
            if answer is None:
                facts.append(text)
                written.append(f"{number} {text}.")
            else:
                written.append(f"{number} {text}? \t{answer}")
                expected.append(("\n".join(facts), text, answer))
    file = tmp_path_factory.mktemp("drawn") / "task.txt"
    file.write_text("\n".join([*written, "1 End.", "2 Which is the end?\tthis"]))
    table = read(file, format="babi", columns=["story", "question", "answer"])
    assert [tuple(row.values()) for row in table] == [*expected, ("End", "Which is the end", "this")]


MISTAKES = {
    "Mary went home.": "a line must be a number and a sentence, as `1 Mary went home.`, but is `Mary went home.`",
    "3": "a line must be a number and a sentence, as `1 Mary went home.`, but is `3`",
    "4 Mary went home.": "a line's number must be 3, or 1 where a story begins, but is 4",
    "2 Mary went home.": "a line's number must be 3, or 1 where a story begins, but is 2",
    "3 .": "a fact or a question must have words, but has none",
    "3 ?\tyes": "a fact or a question must have words, but has none",
    "3 Where is Mary?  bathroom  1?": "a question must have a tab and its answer after it, but has none",
    "3 Where is Mary?\t": "a question must have an answer after its tab, but has none",
    "3 Where is Mary?\t\t1": "a question must have an answer after its tab, but has none",
    "3 Where is Mary?\thome\t1\t2": "a question must have an answer and one list of lines after it, but has 3 tabs",
    "3 Where is Mary?\thome\t2": "the lines that tell an answer must be facts before it, but `2` is none",
    "3 Where is Mary?\thome\tone": "the lines that tell an answer must be facts before it, but `one` is none",
    "1 Where is Mary?\thome": "a question must follow a fact of its story, but is the first line of one",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, cache: Path, line: str) -> None:
    file = tmp_path / "qa1.txt"
    file.write_text(f"1 Mary went home.\n\n2 Where is Mary?\thome\t1\n{line}\n")
    with pytest.raises(DataError) as error:
        read(file, format="babi")
    assert str(error.value) == f"`{file}`, line 4: {MISTAKES[line]}"
    assert not [each for each in cache.rglob("*") if each.is_file()]


def test_a_file_of_facts_alone_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "qa1.txt").write_text("1 Mary went home.\n")
    with pytest.raises(DataError) as error:
        read(tmp_path / "qa1.txt", format="babi")
    assert str(error.value) == (
        f"`{tmp_path}/qa1.txt` must hold a question, as `2 Where is Mary?` with a tab and its answer, but has none"
    )
