"""What the training part knows of the same thing."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from unspool.data import Table, load
from unspool.data.gathering import gathered
from unspool.errors import DataError

NAMES = {"into": "known", "same": "thing", "by": "language", "of": "name"}


def table(rows: str) -> Table:
    columns = ("thing", "language", "name")
    return Table.from_rows([dict(zip(columns, row.split(" ", 2), strict=True)) for row in rows.split("\n")])


TRAIN = table("a fr un\na de ein\na en one\nb de zwei\na de eins\nb en two of  them")
TEST = table("b fr deux\na it uno\nc en three\nb it due")


def test_a_row_asks_in_its_first_line_and_then_tells_what_others_say_of_the_same() -> None:
    tables = gathered({"train": TRAIN, "test": TEST}, **NAMES)
    assert list(tables["train"].column("known")) == [
        "fr\nde ein\nde eins\nen one",
        "de\nen one\nfr un",  # what else it is called in German would tell too much
        "en\nde ein\nde eins\nfr un",
        "de\nen two of them",
        "de\nen one\nfr un",
        "en\nde zwei",
    ]
    assert list(tables["test"].column("known")) == [
        "fr\nde zwei\nen two of them",
        "it\nde ein\nde eins\nen one\nfr un",
        "en",
        "it\nde zwei\nen two of them",  # and not what it is called in French, which is held out, too
    ]
    for part, before in (("train", TRAIN), ("test", TEST)):
        assert [{name: row[name] for name in before.columns} for row in tables[part]] == list(before)


def test_no_row_depends_on_the_order_or_on_the_other_parts() -> None:
    known = {tuple(row.values())[:3]: row["known"] for row in gathered({"train": TRAIN}, **NAMES)["train"]}
    turned = Table.from_rows(list(TRAIN)[::-1])
    again = gathered({"train": turned, "test": TEST}, **NAMES)["train"]
    for row in again:
        first, *others = row["known"].split("\n")
        expected, *those = known[tuple(row.values())[:3]].split("\n")
        assert (first, sorted(others)) == (expected, sorted(those))


def test_a_recipe_s_table_changes_with_its_arguments_and_with_the_training_part(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("thing\tlanguage\tname\n" + "".join(f"t{i}\tl{j}\tn{i}{j}\n" for i in range(9) for j in range(5)))
    given: dict[str, Any] = {"path": path, "split": {"by": "name", "valid": 0.1, "test": 0.2}}
    keys = {
        load(**given, gather=gather)["test"].key
        for gather in (NAMES, NAMES | {"into": "other"}, NAMES | {"same": "language", "by": "thing"}, None)
    }
    assert len(keys) == 4
    cut = load(**given, gather=NAMES)
    held_out = {row["name"] for row in itertools.chain(cut["valid"], cut["test"])}
    told = [
        line.split(" ")[1] for part in cut.values() for known in part.column("known") for line in known.split("\n")[1:]
    ]
    assert told
    assert not held_out & set(told)


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "no column": (
        {"same": "thin"},
        "`thin` is no column of memory; there are thing, language, name (nearest: `thing`)",
    ),
    "taken": ({"into": "name"}, "`into` must be the name of a new column, but memory has a column `name` already"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_can_not_be_gathered_is_named(case: str) -> None:
    change, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        gathered({"train": TRAIN}, **NAMES | change)
    assert str(error.value) == message


def test_what_is_no_text_is_named_with_its_row() -> None:
    numbers = Table.from_rows(
        [{"thing": "a", "language": "en", "name": "one"}, {"thing": "a", "language": None, "name": "x"}]
    )
    with pytest.raises(DataError) as error:
        gathered({"train": numbers}, **NAMES)
    assert str(error.value) == "row 1 of `language` in memory must be a text to be gathered, but is None"


TOLD = [
    ("apple", "fruit", "en", "red apple"),
    ("apple", "fruit", "fr", "pomme rouge"),
    ("small apple", "fruit", "en", "small red apple"),
    ("small apple", "fruit", "fr", "petite pomme rouge"),
    ("rose", "flower", "en", "red rose"),
    ("rose", "flower", "fr", "rose rouge"),
    ("cow", "animal", "fr", "vache"),
]
ASKED = [("cherry", "fruit", "fr", "cerise"), ("apple", "fruit", "it", "mela"), ("cow", "animal", "en", "cow")]


def of_kinds(rows: list[tuple[str, str, str, str]]) -> Table:
    return Table.from_rows([dict(zip(("thing", "kind", "language", "name"), row, strict=True)) for row in rows])


def test_examples_tell_of_what_is_most_alike_but_no_variant_beside_what_is_told_of_both() -> None:
    given = {"train": of_kinds(TOLD), "test": of_kinds(ASKED)}
    tables = gathered(given, **NAMES, near="kind")
    third = [known.split("\n")[2] for known in tables["train"].column("known")]
    # The apple's nearest is the small apple, a variant; of others the rose, whose English name has "red " in common.
    assert third == [
        "fr rose rouge = red rose",
        "en red rose = rose rouge",
        "fr rose rouge = red rose",
        "en red rose = rose rouge",
        "fr pomme rouge = red apple",
        "en red apple = pomme rouge",
        "",
    ]
    # Nothing is known of the cherry, and no name in Italian at all. The cow is "vache", not much like an apple.
    assert [known.split("\n")[2] for known in tables["test"].column("known")] == ["", "", "fr pomme rouge = red apple"]
    without = gathered(given, **NAMES)
    for part, table in tables.items():
        for mine, plain in zip(table.column("known"), without[part].column("known"), strict=True):
            asked, others, _, *more = mine.split("\n")
            assert [asked, *([others] if others else []), *more] == plain.split("\n")


def test_examples_are_of_a_kind_each_and_empty_where_there_are_no_more() -> None:
    roses = [*TOLD, ("pink", "flower", "en", "red pink"), ("pink", "flower", "fr", "rose pâle")]
    tables = gathered({"train": of_kinds(roses), "test": of_kinds(ASKED)}, **NAMES, near="kind", examples=3)
    assert list(tables["train"].column("known"))[:2] == [
        "en\nfr pomme rouge\nfr rose rouge = red rose\n\n",  # and no red pink, a flower as well
        "fr\nen red apple\nen red rose = rose rouge\n\n",
    ]
    assert list(tables["test"].column("known"))[:1] == ["fr\n\n\n\n"]  # of which nothing is known


def test_what_is_to_be_told_first_is_and_examples_are_told_beside_it() -> None:
    rows = [*TOLD, ("apple", "fruit", "it", "mela"), ("rose", "flower", "it", "rosa rossa")]
    asked = of_kinds([("apple", "fruit", "de", "apfel")])
    given = {"train": of_kinds([*rows, ("rose", "flower", "de", "rote rose")]), "test": asked}
    (known,) = gathered(given, **NAMES, near="kind", first=["it", "fr"])["test"].column("known")
    assert known == "de\nit mela\nit rosa rossa = rote rose\nfr pomme rouge\nen red apple"
    (plain,) = gathered(given, **NAMES, first=["fr"])["test"].column("known")
    assert plain == "de\nfr pomme rouge\nen red apple\nit mela"


def test_an_example_stands_alone_where_nothing_is_told_of_both() -> None:
    rows = [
        ("apple", "fruit", "en", "red apple"),
        ("rose", "flower", "fr", "red rose"),
        ("rose", "flower", "de", "rote rose"),
    ]
    given = {"train": of_kinds(rows), "test": of_kinds([("apple", "fruit", "de", "apfel")])}
    (known,) = gathered(given, **NAMES, near="kind")["test"].column("known")
    assert known == "de\nen red apple\n= rote rose"


def test_a_table_changes_with_what_is_told_first_and_with_how_many_examples() -> None:
    given = {"train": of_kinds(TOLD), "test": of_kinds(ASKED)}
    more: list[dict[str, Any]] = [{}, {"near": "kind"}, {"near": "kind", "examples": 2}, {"first": ["fr"]}]
    more.append({"near": "kind", "first": ["fr"]})
    assert len({gathered(given, **NAMES, **each)["test"].key for each in more}) == 5


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "never told": (
        {"first": ["fr", "eng"]},
        "`eng` is to be told `first`, but in training there are en, fr (nearest: `en`)",
    ),
    "twice": ({"first": ["fr", "en", "fr"]}, "`first` must name each value once, but names `fr` 2 times"),
    "an example": (
        {"near": "kind"},
        "`name` must not hold ` = `, which is between the names of an example, but is `one = ein`",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_told_or_shown_is_named(case: str) -> None:
    change, message = WRONG[case]
    with pytest.raises(DataError) as error:
        gathered({"train": of_kinds([*TOLD, ("one", "number", "en", "one = ein")])}, **NAMES, **change)
    assert str(error.value) == message
