"""Parts cut by dates."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool import recipes
from unspool.data import Periods, load
from unspool.errors import DataError, RecipeError

DAYS = ["2014-12-31", "2015-01-02", "2015-07-31", "2015-08-01", "2015-09-30", "2015-10-01", "2015-12-31", "2016-01-01"]
CUT = {"by": "date", "begin": "2015", "valid": "2015-08-01", "test": "2015-10-01", "end": "2016-01-01"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "days.csv"
    path.write_text("\n".join(["date,number", *(f"{day},{number}" for number, day in enumerate(DAYS))]) + "\n")
    return path


def test_a_part_ends_where_the_next_begins(file: Path) -> None:
    tables = load(path=file, periods=CUT)
    assert {part: list(table.column("date")) for part, table in tables.items()} == {
        "train": DAYS[1:3],
        "valid": DAYS[3:5],
        "test": DAYS[5:7],
    }
    assert list(load(path=file, periods=Periods("date", "2015-08"))) == ["train", "valid"]


@given(st.dates(), st.lists(st.dates(), min_size=4, max_size=4, unique=True))
def test_nothing_later_is_in_an_earlier_part(day: datetime.date, borders: list[datetime.date]) -> None:
    begin, valid, test, end = sorted(borders)
    part = Periods("date", str(valid), str(test), str(begin), str(end)).part(str(day))
    known = {"train": (begin, valid), "valid": (valid, test), "test": (test, end)}
    assert [name for name, (first, last) in known.items() if first <= day < last] == ([part] if part else [])


def test_dates_of_parquet_are_dates_too_and_rows_without_one_are_of_no_part(tmp_path: Path) -> None:
    days = [None, *map(datetime.date.fromisoformat, DAYS)]
    pq.write_table(pa.table({"date": days}), tmp_path / "days.parquet")
    tables = load(path=tmp_path / "days.parquet", periods=CUT)
    assert [len(table) for table in tables.values()] == [2, 2, 2]


MISTAKES: dict[str, tuple[Mapping[str, Any], str]] = {
    "order": (
        {"valid": "2015-10-01", "test": "2015-08-01"},
        "`valid` must be before `test`, but they are 2015-10-01 and 2015-08-01",
    ),
    "begin": ({"valid": "2015", "begin": "2015-02"}, "`begin` must be before `valid`, but they are 2015-02 and 2015"),
    "nothing left": (
        {"valid": "2017", "begin": "2016-02"},
        "`train` of Periods(by='date', valid='2017', test=None, begin='2016-02', end=None) must get at least one row, "
        "but `date` of `{file}` goes from 2014-12-31 to 2016-01-01; take other dates",
    ),
    "another order": (
        {"valid": "01/05/2016"},
        "`valid` must be a date from its year on, as 2014-01-02 or 2014, but is '01/05/2016'",
    ),
    "no column": (
        {"by": "day", "valid": "2015"},
        "`day` is no column of `{file}`; there are date, number (nearest: `date`)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_cut_that_can_not_be_is_told(case: str, file: Path) -> None:
    given_, message = MISTAKES[case]
    for _ in range(2):  # the second time from the cache
        with pytest.raises(DataError) as error:
            load(path=file, periods={"by": "date", **given_})
        assert str(error.value) == message.format(file=file)


def test_only_dates_can_be_cut_by(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"date": 20150102}\n')
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "rows.jsonl", periods={"by": "date", "valid": "2015"})
    assert str(error.value) == (
        f"`date` of `{tmp_path / 'rows.jsonl'}` must hold dates, as texts such as 2014-01-02, to be cut by, but holds "
        "20150102"
    )


@pytest.mark.parametrize("date", ["31/12/2014", "2015-9-01", "2015-010", "spring", ""])
def test_dates_in_another_order_than_their_texts_are_refused(date: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(f'{{"date": "2014-01-02T10:00"}}\n{{"date": "{date}"}}\n')
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "rows.jsonl", periods={"by": "date", "valid": "2015"})
    assert str(error.value) == (
        f"`date` of `{tmp_path / 'rows.jsonl'}` must hold dates from their year on, as 2014-01-02, so that they are in "
        f"the order of their texts, but holds {date!r}"
    )


def failing(call: Callable[[], Any]) -> str:
    with pytest.raises((DataError, RecipeError)) as error:
        call()
    return str(error.value)


def test_there_is_one_cut(file: Path) -> None:
    both = {"split": {"by": "date"}, "periods": CUT}
    assert failing(lambda: load(path=file, **both)) == (  # type: ignore[arg-type]
        "`split` and `periods` must not both cut parts; leave one out"
    )
    given_ = {"data": {"path": "a.csv", **both}, "inputs": {"a": {}}, "outputs": {"b": {}}, "train": {"epochs": 1}}
    assert "`data` must be cut by `split` or by `periods`, but has both" in failing(lambda: recipes.load(given_))
