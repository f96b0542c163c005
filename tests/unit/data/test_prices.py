"""Windows of daily prices: what stands in them, and that nothing of what comes later does."""

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unspool.data import load, read
from unspool.data.prices import DAYS, Days, features, windows
from unspool.errors import DataError

SHARED = Path(__file__).parents[4] / "shared" / "data" / "stocks" / "acl18" / "data" / "stocknet-dataset" / "price"


def dates(count: int) -> list[str]:
    return [str(day) for day in np.datetime64("2014-01-01") + np.arange(count)]


def prices(count: int, seed: int = 0) -> np.ndarray:
    """(days, 5) open, high, low, close, adjusted; the last is another multiple of the close before day 50."""
    chance = np.random.default_rng(seed)
    close = 50 * np.exp(0.01 * chance.standard_normal(count)).cumprod()
    others = close[:, None] * (1 + 0.02 * chance.random((count, 3)))
    return np.concatenate([others, close[:, None], (close * np.where(np.arange(count) < 50, 0.9, 1))[:, None]], 1)


def write(path: Path, numbers: np.ndarray, days: Sequence[str] | None = None, header: str = "") -> Path:
    names = header or "Date,Open,High,Low,Close,Adj Close,Volume"
    rows = [
        f"{day},{','.join(map(repr, row.tolist()))},7" for day, row in zip(days or dates(200), numbers, strict=False)
    ]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


def slowly(numbers: np.ndarray, day: int) -> list[float]:
    """The features of a day by the formulas of Feng et al., number by number."""
    o, h, low, c, a = numbers[day]
    found = [o / c, h / c, low / c, c / numbers[day - 1][3]]
    found += [sum(numbers[day - back][4] for back in range(span)) / span / a for span in (5, 10, 15, 20, 25, 30)]
    return [100 * (each - 1) for each in [*found, a / numbers[day - 1][4]]]


def test_a_row_tells_of_the_days_before_and_of_what_came(tmp_path: Path) -> None:
    numbers, days = prices(70), dates(70)
    table = read(write(tmp_path / "ABC.csv", numbers), format="prices")
    assert table.columns == ("ticker", "date", "history", "movement", "return", "price")
    assert list(table.column("date")) == days[29 + DAYS :]
    for place, row in enumerate(table):
        day = 29 + DAYS + place
        assert row["ticker"] == "ABC"
        assert np.allclose(row["history"], [slowly(numbers, each) for each in range(day - DAYS, day)], atol=1e-4)
        assert row["price"] == numbers[day - 1, 4]
        assert row["return"] == pytest.approx(100 * (numbers[day, 4] - row["price"]) / row["price"])
        assert row["movement"] == ("up" if row["return"] >= 0.55 else "down" if row["return"] <= -0.5 else "flat")
    assert {row["movement"] for row in table} == {"up", "down", "flat"}


@pytest.mark.parametrize("day", [45, 50, 61, 69])
@pytest.mark.parametrize("how", ["scrambled", "taken away"])
def test_nothing_of_a_day_or_of_what_comes_later_is_known_before_it(day: int, how: str) -> None:
    numbers, days = prices(70), dates(70)
    other = numbers.copy()
    other[day:] = np.random.default_rng(1).uniform(1, 1000, other[day:].shape)
    if how == "taken away":
        other, days = other[: day + 1], days[: day + 1]
    one, two = (windows(Days("ABC", dates(len(each)), each)).to_pylist() for each in (numbers, other))
    known = day - 29 - DAYS
    for before, after in zip(one[: known + 1], two[: known + 1], strict=True):
        assert [before[name] for name in ("date", "history", "price")] == [
            after[name] for name in ("date", "history", "price")
        ]
    assert one[:known] == two[:known]
    assert one[known]["return"] != two[known]["return"]
    assert np.array_equal(features(numbers)[:day], features(other)[:day], equal_nan=True)


def test_adjusting_all_that_was_before_changes_nothing_but_rounding() -> None:
    numbers = prices(70)
    paid = numbers.copy()
    paid[:, 4] *= 0.8  # as a dividend of a later day does
    assert np.allclose(features(numbers), features(paid), atol=1e-9, equal_nan=True)


def test_a_file_may_hold_several_stocks_in_any_order_under_usual_names(tmp_path: Path) -> None:
    one, two, days = prices(60), prices(60, seed=1), dates(60)
    rows = [
        {
            "Symbol": name,
            "date": day,
            **dict(zip(("OPEN", "High*", "low", "Close", "adj_close"), map(repr, row), strict=True)),
        }
        for name, numbers in (("B", one), ("A", two))
        for day, row in zip(days, numbers.tolist(), strict=True)
    ]
    path = tmp_path / "all.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[i] for i in np.random.default_rng(2).permutation(len(rows)))
    table = read(path, format="prices")
    found = {name: [row["price"] for row in table if row["ticker"] == name] for name in ("A", "B")}
    assert found == {"A": two[28 + DAYS : -1, 4].tolist(), "B": one[28 + DAYS : -1, 4].tolist()}


def test_the_close_stands_for_an_adjusted_one_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "A.csv", prices(60)[:, :4], header="Date,Open,High,Low,Close,Volume")
    assert read(path, format="prices")[0]["price"] == prices(60)[28 + DAYS, 3]


def test_a_folder_is_all_of_its_files_and_who_has_too_few_days_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, count in {"B": 60, "A": 50, "NEW": 44}.items():
        write(tmp_path / f"{name}.csv", prices(count))
    (tmp_path / "README").write_text("passed over")
    tables = load(path=tmp_path, format="prices", periods={"by": "date", "valid": "2014-02-16"})
    assert {part: sorted(set(table.column("ticker"))) for part, table in tables.items()} == {
        "train": ["A", "B"],
        "valid": ["A", "B"],
    }
    file = tmp_path / "NEW.csv"
    assert caplog.messages == [f"left out `NEW` of `{file}`: a window needs 45 days, but it has 44"]


MISTAKES: dict[str, tuple[str, str]] = {
    "no such column": (
        "Date,Open,High,Low,Price\n2014-01-02,1,1,1,1\n",
        "`{file}` must have a column `Close`, but has none; there are Date, Open, High, Low, Price (nearest: `Price`)",
    ),
    "another date": (
        "Date,Open,High,Low,Close\n2014-01-02,1,1,1,1\n01/03/2014,1,1,1,1\n",
        "row 2 of `{file}` must have a date such as 2014-01-02, but has '01/03/2014'",
    ),
    "a day twice": (
        "Date,Open,High,Low,Close\n2014-01-02,1,1,1,1\n2014-01-02,1,1,1,1\n",
        "row 2 of `{file}` must be of another day than those before, but A has 2014-01-02 twice",
    ),
    "no price": (
        "Date,Open,High,Low,Close\n2014-01-02,1,null,1,1\n",
        "row 1 of `{file}` must have a number above 0 as `high`, but has 'null'; leave out days without prices",
    ),
    "nothing": (
        "Date,Open,High,Low,Close\n2014-01-02,1,1,1,0\n",
        "row 1 of `{file}` must have a number above 0 as `close`, but has '0'; leave out days without prices",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_with_its_row(case: str, tmp_path: Path) -> None:
    text, message = MISTAKES[case]
    file = tmp_path / "A.csv"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        read(file, format="prices")
    assert str(error.value) == message.format(file=file)


@pytest.mark.skipif(not SHARED.exists(), reason="the prices of ACL18 are not on this machine")
def test_features_and_movements_are_those_that_acl18_comes_with() -> None:
    days = (SHARED / "trading_dates.csv").read_text().split()
    order = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 4]  # theirs has the adjusted return before the means
    for ticker in ("AAPL", "BABA"):  # one of them came to the market in between
        known = np.genfromtxt(SHARED / "ourpped" / f"{ticker}.csv", delimiter=",")
        rows: dict[str, Any] = {row["date"]: row for row in read(SHARED / "raw" / f"{ticker}.csv", format="prices")}
        for place in range(DAYS, len(days)):
            before = known[place - DAYS : place]
            if min(before.min(), known[place].min()) < -1000:  # their sign of what is not known
                assert days[place] not in rows
                continue
            row = rows[days[place]]
            assert np.allclose(row["history"], before[:, order], atol=1e-5)
            assert row["movement"] == {1: "up", -1: "down", 0: "flat"}[known[place, 11]]
