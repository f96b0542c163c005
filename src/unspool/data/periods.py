"""Parts cut by time: what comes later is never learned from."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool.data.tables import Stream, Table, store_cut
from unspool.errors import DataError
from unspool.nearest import choices

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(?!\d).*)?)?$", re.DOTALL)  # whose texts have the order of the dates


@dataclass(frozen=True)
class Periods:
    """A cut into parts by the dates of one column.

        train where begin ≤ date < valid,  valid where valid ≤ date < test,  test where test ≤ date < end

    Dates are compared as texts, from the year on (ISO 8601): `2014-01-02`, with a time or without, also shortened as
    `2014`. Others are refused, since their texts have another order. Rows before `begin`, from
    `end` on and without a date are of no part.

    Args:
        by: the column.
        valid: where validation begins, and training has ended.
        test: where testing begins, and validation has ended; None: there is no test part.
        begin: where training begins; None: with the first row.
        end: where testing ends, or validation where there is no test part; None: with the last row.

    Example:
        >>> periods = Periods(by="date", valid="2015-08", test="2015-10", end="2016")
        >>> [periods.part(date) for date in ("1999-12-31", "2015-08-03", "2015-12-31", "2016-01-04")]
        ['train', 'valid', 'test', None]
    """

    by: str
    valid: str
    test: str | None = None
    begin: str | None = None
    end: str | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("begin", "valid", "test", "end")}
        dates = {name: date for name, date in given.items() if date is not None}
        for name, date in dates.items():
            if not _DATE.match(date):
                raise DataError(f"`{name}` must be a date from its year on, as 2014-01-02 or 2014, but is {date!r}")
        for (name, date), (later_name, later) in pairwise(dates.items()):
            if date >= later:
                raise DataError(f"`{name}` must be before `{later_name}`, but they are {date} and {later}")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("train", "valid") if self.test is None else ("train", "valid", "test")

    def part(self, date: str) -> str | None:
        """The part that rows of this date belong to, if any."""
        if (self.begin is not None and date < self.begin) or (self.end is not None and date >= self.end):
            return None
        if self.test is not None and date >= self.test:
            return "test"
        return "valid" if date >= self.valid else "train"

    def cut(self, stream: Stream) -> dict[str, Table]:
        """The parts of a stream, each at least one row.

        Raises:
            DataError: no such column, one that holds no dates, or a part without rows.
        """

        def rows(batch: Any) -> Mapping[str, NDArray[np.bool_]]:
            dates = self._dates(batch, stream.origin)
            found = np.array([None if date is None else self.part(date) for date in dates])
            return {part: found == part for part in self.parts}

        tables = store_cut(stream, rows, asdict(self))
        for part in self.parts:
            if not len(tables[part]):
                every = [date for batch in stream.batches() for date in self._dates(batch, stream.origin) if date]
                there = f"goes from {min(every)} to {max(every)}" if every else "is empty"
                raise DataError(
                    f"`{part}` of {self} must get at least one row, but `{self.by}` of {stream.origin} {there}; take "
                    "other dates"
                )
        return {part: tables[part] for part in self.parts}

    def _dates(self, batch: Any, origin: str) -> list[str | None]:
        if self.by not in batch.schema.names:
            raise DataError(f"`{self.by}` is no column of {origin}; {choices(self.by, batch.schema.names)}")
        dates: list[str | None] = []
        for value in batch.column(self.by).to_pylist():
            if value is not None and not isinstance(value, str | datetime.date):
                raise DataError(
                    f"`{self.by}` of {origin} must hold dates, as texts such as 2014-01-02, to be cut by, but holds "
                    f"{value!r}"
                )
            if isinstance(value, str) and not _DATE.match(value):
                raise DataError(
                    f"`{self.by}` of {origin} must hold dates from their year on, as 2014-01-02, so that they are in "
                    f"the order of their texts, but holds {value!r}"
                )
            dates.append(None if value is None else str(value))
        return dates
