"""Views of things: how many, which variants, and what is left out of them."""

from collections import Counter
from typing import Any

import pytest

from unspool.data import Table, viewed
from unspool.errors import DataError


def table(**variants: int) -> Table:
    """Of each thing so many variants, of which twenty lines tell below two of their own."""
    return Table.from_rows(
        [
            {
                "thing": thing,
                "text": "\n".join([thing, str(number), *(f"{thing}{number} {line}" for line in range(20))]),
            }
            for thing, count in variants.items()
            for number in range(count)
        ]
    )


GIVEN: dict[str, Any] = {"text": "text", "same": "thing", "times": 4, "head": 2}


def test_each_thing_is_there_equally_often_with_its_variants_in_turn() -> None:
    rows = list(viewed({"train": table(a=1, b=2, c=9)}, **GIVEN)["train"])
    assert Counter(row["thing"] for row in rows) == {"a": 4, "b": 4, "c": 4}
    variants = {thing: [row["text"].split("\n")[1] for row in rows if row["thing"] == thing] for thing in "abc"}
    assert variants["a"] == ["0"] * 4
    assert sorted(variants["b"]) == ["0", "0", "1", "1"]
    assert len(set(variants["c"])) == 4


def test_things_with_variants_count_more_where_several_are_taken_at_a_time() -> None:
    rows = list(viewed({"train": table(a=1, b=2, c=9)}, **GIVEN | {"variants": 3})["train"])
    assert Counter(row["thing"] for row in rows) == {"a": 4, "b": 8, "c": 12}
    variants = {thing: Counter(row["text"].split("\n")[1] for row in rows if row["thing"] == thing) for thing in "abc"}
    assert variants["b"] == {"0": 4, "1": 4}
    assert sorted(variants["c"].values()) == [1] * 6 + [2] * 3  # twelve of nine in turn
    told = [row["text"] for row in rows]
    assert len(set(told)) == len(told)  # and each view by chances of its own


def test_first_lines_stay_and_of_the_others_about_a_share_in_their_order() -> None:
    rows = viewed({"train": table(a=1)}, **GIVEN | {"times": 400, "keep": 0.3})["train"]
    kept = [row["text"].split("\n") for row in rows]
    assert {tuple(lines[:2]) for lines in kept} == {("a", "0")}
    numbers = [[int(line.split(" ")[1]) for line in lines[2:]] for lines in kept]
    assert all(each == sorted(set(each)) for each in numbers)
    assert sum(map(len, numbers)) / (400 * 20) == pytest.approx(0.3, abs=0.02)
    assert len({tuple(each) for each in numbers}) > 390


def test_one_line_always_stays_and_where_there_is_none_none_does() -> None:
    tiny = Table.from_rows([{"thing": "a", "text": "head\nx\ny"}, {"thing": "b", "text": "head"}])
    found = viewed({"train": tiny}, text="text", same="thing", times=50, keep=1e-9)["train"]
    texts = Counter((row["thing"], row["text"]) for row in found)
    assert set(texts) == {("a", "head\nx"), ("a", "head\ny"), ("b", "head")}


def test_views_of_a_thing_depend_neither_on_others_nor_on_parts() -> None:
    alone = list(viewed({"train": table(b=3)}, **GIVEN)["train"])
    given = {"train": table(a=2, b=3), "test": table(b=1)}
    among = viewed(given, **GIVEN)
    assert [row for row in among["train"] if row["thing"] == "b"] == alone
    assert among["test"] is given["test"]


def called(**names: list[str]) -> Table:
    """What things are called in two languages, beside one example that shows it."""
    return Table.from_rows(
        [
            {"thing": name, "text": f"{which}\nen {name}\nen the {name} = das {name}", "name": name}
            for which, each in names.items()
            for name in each
        ]
    )


def test_some_views_have_words_of_other_rows_with_the_same_first_line() -> None:
    names = {"de": ["kuh", "stier", "ziege"], "it": ["mucca", "toro", "capra"]}
    tables = {"train": called(**names), "test": called(de=["kalb"])}
    found = viewed(tables, text="text", same="thing", times=300, keep=1.0, exchange=0.4, of="name")
    assert found["test"] is tables["test"]
    changed = 0
    for row in found["train"]:
        which, own, shown = row["text"].split("\n")
        assert own == f"en {row['thing']}"
        assert row["name"] in names[which]
        assert shown in {f"en the {row['thing']} = {one} {row['name']}" for one in ["das", *names[which]]}
        changed += row["name"] != row["thing"]
    assert changed / (6 * 300) == pytest.approx(0.4 / 2, abs=0.03)  # half the words of four views in ten


def test_words_are_found_by_the_first_line_even_where_it_is_left_out() -> None:
    given: dict[str, Any] = {"text": "text", "same": "thing", "times": 50, "head": 0, "keep": 0.3}
    found = list(viewed({"train": called(de=["kuh", "stier"])}, **given, exchange=1.0, of="name")["train"])
    assert len(found) == 100
    assert {row["name"] for row in found} == {"kuh", "stier"}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "times": ({"times": 0}, "`times` must be at least 1, but is 0"),
    "variants": ({"variants": 0}, "`variants` must be at least 1, but is 0"),
    "keep": ({"keep": 0}, "`keep` must be a chance above 0, at most 1, but is 0"),
    "exchange": ({"exchange": 1.5, "of": "text"}, "`exchange` must be a chance from 0 to 1, but is 1.5"),
    "of": ({"exchange": 0.5}, "`of` must name the column whose words to `exchange`, but is null"),
    "of what": ({"of": "tex"}, "`tex` is no column of memory; there are thing, text (nearest: `text`)"),
    "column": ({"same": "thin"}, "`thin` is no column of memory; there are thing, text (nearest: `thing`)"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(case: str) -> None:
    change, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        viewed({"train": table(a=1)}, **GIVEN | change)
    assert str(error.value) == message


def test_what_is_no_text_is_named_with_its_row() -> None:
    numbers = Table.from_rows([{"thing": "a", "text": 1}])
    with pytest.raises(DataError) as error:
        viewed({"train": numbers}, **GIVEN)
    assert str(error.value) == "row 0 of `text` in memory must be a text of which lines are left out, but is 1"


def test_a_name_that_is_no_text_is_named_with_its_row() -> None:
    numbers = Table.from_rows([{"thing": "a", "text": "de", "name": 1}])
    with pytest.raises(DataError) as error:
        viewed({"train": numbers}, **GIVEN, exchange=0.5, of="name")
    assert str(error.value) == "row 0 of `name` in memory must be a text of words to exchange, but is 1"
