"""Daily prices of stocks as windows: what is known of a stock before a day, and how it moved on that day."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from unspool.data.separated import separated_rows
from unspool.errors import DataError
from unspool.nearest import choices

Numbers = NDArray[np.float64]

UP, DOWN, FLAT = "up", "down", "flat"
COLUMNS = ("ticker", "date", "history", "movement", "return", "price")
DAYS = 15
"""Days that a window tells of."""
_MEANS = (5, 10, 15, 20, 25, 30)  # days of the moving averages
_FIRST = max(_MEANS) - 1  # the first day of which all features are known
_RISE, _FALL = 0.55, -0.5  # per cent, from which on a day counts as up or down
_PRICES = ("open", "high", "low", "close", "adjusted")
_NAMES = {
    **{name: name for name in ("date", "ticker", *_PRICES)},
    "symbol": "ticker",
    "adjclose": "adjusted",
    "adjustedclose": "adjusted",
}
"""Names that columns of price files have, in small letters alone, and ours."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SCHEMA = pa.schema(
    [
        ("ticker", pa.string()),
        ("date", pa.string()),
        ("history", pa.list_(pa.list_(pa.float32()))),
        ("movement", pa.string()),
        ("return", pa.float64()),
        ("price", pa.float64()),
    ]
)

_log = logging.getLogger("unspool.data")


class Days(NamedTuple):
    """A stock day by day.

    Fields:
        ticker: its name.
        dates: (days,) such as "2014-01-02", rising.
        prices: (days, 5) open, high, low, close and adjusted close of each, above 0.
    """

    ticker: str
    dates: Sequence[str]
    prices: Numbers


def price_batches(file: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """A row for each day of each stock in a CSV file that has enough days before it: record batches of `COLUMNS`.

        Date,Open,High,Low,Close,Adj Close,Volume   →   ticker "AAPL", date "2014-01-02", history [[…], …],
        2012-09-04,95.11,96.45,94.93,96.42,87.12,…      movement "down", return -1.41, price 72.3

    A row is a question asked before the market opens on `date`: see `windows`. The file is of one stock, called as the
    file is, or has a column `Ticker` or `Symbol`. Its other columns are `Date` (2014-01-02), `Open`, `High`, `Low`,
    `Close` and, where there is one, `Adj Close`: the close without the leaps of dividends and splits, which returns
    and averages are then of. Days may come in any order.

    Raises:
        DataError: no such file or column; a date twice or of another form; a price that is no number above 0.
    """
    for days in _stocks(file):
        if len(days.dates) <= _FIRST + DAYS:
            _log.warning(
                "left out `%s` of `%s`: a window needs %d days, but it has %d",
                *(days.ticker, file, _FIRST + DAYS + 1, len(days.dates)),
            )
        else:
            yield windows(days)


def windows(days: Days) -> Any:
    """A record batch with a row for each day that has enough days before it.

        history[i]  = features of the 15 days before day i: see `features`
        return[i]   = 100 · (adjusted[i] / adjusted[i - 1] - 1)
        movement[i] = "up" from 0.55 % on, "down" from -0.5 % on, "flat" between
        price[i]    = adjusted[i - 1], what the return is of

    So no number in `history` and `price` is of the day asked about or of a later one; `return` and `movement` are what
    came.

    Args:
        days: at least 45.

    Reference:
        Xu and Cohen (2018), Stock movement prediction from tweets and historical prices, for the movements.
    """
    adjusted = days.prices[:, -1]
    first = _FIRST + DAYS
    known = np.lib.stride_tricks.sliding_window_view(features(days.prices)[_FIRST:], DAYS, axis=0)
    history = known[:-1].transpose(0, 2, 1).astype(np.float32)  # the last window is of a day that has not come
    returns = 100 * (adjusted[first:] / adjusted[first - 1 : -1] - 1)
    movements = np.where(returns >= _RISE, UP, np.where(returns <= _FALL, DOWN, FLAT))
    rows = [[days.ticker] * len(returns), list(days.dates[first:]), _nested(history), movements, returns]
    arrays = [pa.array(each, kind) for each, kind in zip([*rows, adjusted[first - 1 : -1]], _SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def features(prices: Numbers) -> Numbers:
    """What there is to know of each day when its market has closed, in per cent; not a number where it is too early.

        open, high, low     over the day's close, less 1
        close               over the close of the day before, less 1
        mean of 5, … 30     of the adjusted closes up to this day, over the day's, less 1
        adjusted            over the adjusted close of the day before, less 1: last, so that it is the last movement

    An adjusted close is known only later, when dividends are, but all before it are moved by the same factor, which
    ratios do not see.

    Args:
        prices: (days, 5) open, high, low, close and adjusted close.

    Returns:
        (days, 11)

    Reference:
        Feng et al. (2019), Enhancing stock movement prediction with adversarial training, table 1; in another order.

    Example:
        >>> features(np.array([[9.0, 12.0, 8.0, 10.0, 5.0], [11.0, 11.0, 11.0, 11.0, 6.0]]))[1, [0, 3, -1]].round(6)
        array([ 0., 10., 20.])
    """
    close, adjusted = prices[:, 3], prices[:, 4]
    found = np.full((len(prices), 5 + len(_MEANS)), np.nan)
    found[:, :3] = prices[:, :3] / close[:, None]
    found[1:, 3] = close[1:] / close[:-1]
    for place, span in enumerate(_MEANS, start=4):
        if len(prices) >= span:
            means = np.lib.stride_tricks.sliding_window_view(adjusted, span).mean(1)
            found[span - 1 :, place] = means / adjusted[span - 1 :]
    found[1:, -1] = adjusted[1:] / adjusted[:-1]
    return 100 * (found - 1)


def _stocks(file: Path) -> Iterator[Days]:
    """The stocks of a file, in the order in which they come."""
    names, rows = separated_rows(file, "csv", None, True)
    places = _places(file, names)
    of_file = file.name.removesuffix(".gz").removesuffix(".csv")
    found: dict[str, dict[str, list[float]]] = {}
    for number, row in enumerate(rows, start=1):
        ticker = row[places["ticker"]] if "ticker" in places else of_file
        date = row[places["date"]]
        subject = f"row {number} of `{file}`"
        if not _DATE.fullmatch(date):
            raise DataError(f"{subject} must have a date such as 2014-01-02, but has {date!r}")
        days = found.setdefault(ticker, {})
        if date in days:
            raise DataError(f"{subject} must be of another day than those before, but {ticker} has {date} twice")
        days[date] = [_price(subject, name, row[places[name]]) for name in _PRICES]
    for ticker, days in found.items():
        dates = sorted(days)
        yield Days(ticker, dates, np.array([days[date] for date in dates]))


def _places(file: Path, names: Sequence[str]) -> Mapping[str, int]:
    """Where in a row our columns are."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        ours = _NAMES.get(re.sub(r"[^a-z]", "", name.lower()))
        if ours is not None:
            places.setdefault(ours, place)
    if "close" in places:
        places.setdefault("adjusted", places["close"])
    for name in ("date", *_PRICES):
        if name not in places:
            raise DataError(f"`{file}` must have a column `{name.capitalize()}`, but has none; {choices(name, names)}")
    return places


def _price(subject: str, name: str, text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 < price < math.inf:
        raise DataError(
            f"{subject} must have a number above 0 as `{name}`, but has {text!r}; leave out days without prices"
        )
    return price


def _nested(history: NDArray[np.float32]) -> Any:
    """(rows, days, features) as lists of days, which are lists of features."""
    rows, days, width = history.shape
    of_days = pa.ListArray.from_arrays(
        pa.array(np.arange(0, rows * days * width + 1, width), pa.int32()), pa.array(history.reshape(-1))
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(0, rows * days + 1, days), pa.int32()), of_days)
