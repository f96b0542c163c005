"""What the training part knows of the same thing, as a text beside each row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.tables import Stream, Table, store
from unspool.errors import DataError
from unspool.likeness import BESIDE, most_alike
from unspool.nearest import choices

_ROWS = 4096  # made at a time
_VERSION = 2  # raised when `gathered` tells other lines, so that tables in the cache are made again


def gathered(
    tables: Mapping[str, Table],
    *,
    into: str,
    same: str,
    by: str,
    of: str,
    near: str | None = None,
    examples: int = 1,
    first: Sequence[str] = (),
) -> dict[str, Table]:
    """Tables with a column more: what a row asks for, and what other rows of the training part say of the same thing.

        into="known", same="emoji", by="language", of="name":

            emoji  language  name        known
            🐙     en        octopus     en⏎es pulpo⏎it polpo
            🐙     es        pulpo       es⏎en octopus⏎it polpo
            🐙     it        polpo       it⏎en octopus⏎es pulpo
            🐙     fr        pieuvre     fr⏎en octopus⏎es pulpo⏎it polpo        (of the test part)

    The first line is the row's own `by`. Of rows with the same `by` none is told, so that no row tells its own `of`.
    The other lines stand in the order of `by`, those in `first` before all others. Nothing of the other parts is ever
    told: what is held out is held out of the inputs, too.

    With `near`, the second line is the first of the others, and `examples` follow it: what the training part tells, by
    the same `by`, of other things, each of another value in the column `near`: the one whose other lines are most
    alike, then those whose lines add most to it (`most_alike`). Each is told beside what first says something of both
    things, so that it shows what differs:

            🐙     it  →  it⏎en octopus⏎en squid = calamaro⏎en whale = balena⏎es pulpo        near="emoji", examples=2

    A line is empty where there is nothing to tell, and an example begins with `=` where there is nothing beside it.

    Args:
        tables: by part, with one called "train". What its rows say is held in memory.
        into: the name of the new column.
        same: the column whose value makes rows tell of one thing.
        by: the column that says which of several things is told of it, texts of one line.
        of: the column that holds what is told, texts; a line break in one becomes a blank.
        near: the column whose value makes things too near to tell of each other, as variants of a thing; None for no
            examples.
        examples: how many lines tell of other things, from 1.
        first: values of `by` that are told before others, in this order.

    Raises:
        DataError: no such column; a column called as the new one is; values of `by` or `of` that are no texts; one of
            `first` that the training part does not tell, or twice; with `near`, a text that holds ` = `.

    Example:
        >>> rows = [("🐙", "en", "octopus"), ("🐙", "es", "pulpo"), ("🐄", "en", "cow")]
        >>> table = Table.from_rows([dict(zip(("emoji", "language", "name"), row, strict=True)) for row in rows])
        >>> tables = gathered({"train": table}, into="known", same="emoji", by="language", of="name")
        >>> [row["known"] for row in tables["train"]]
        ['en\\nes pulpo', 'es\\nen octopus', 'en']
    """
    for table in tables.values():
        table.check_columns([same, by, of, *([near] if near is not None else [])])
        if into in table.columns:
            raise DataError(
                f"`into` must be the name of a new column, but {table.origin} has a column `{into}` already"
            )
    known: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for thing, *told in told_in(tables["train"], same, by, of):
        known[thing].append((told[0], told[1]))
    _check(known, first, of if near is not None else None)
    ranks = {which: rank for rank, which in enumerate(first)}
    for each in known.values():
        each.sort(key=lambda told: (ranks.get(told[0], len(ranks)), told[0]))
    learned = tables["train"].key
    names = (into, same, by, of)

    def made(part: str) -> Table:
        def told() -> Iterator[list[str]]:
            rows = told_in(tables[part], same, by, of)
            if near is None:
                return ([asked, *_others(known, thing, asked)] for thing, asked, _ in rows)
            shown = _examples(tables[part], tables["train"], known, names, near, examples)
            return (
                [asked, *(others[:1] or [""]), *lines, *others[1:]]
                for (thing, asked, _), lines in zip(rows, shown, strict=True)
                for others in [_others(known, thing, asked)]
            )

        return _with_known(tables[part], into, [learned, near, examples, list(first), *names], told)

    return {part: made(part) for part in tables}


def _check(known: Mapping[Any, list[tuple[str, str]]], first: Sequence[str], shown: str | None) -> None:
    """Raise a `DataError` where what is to be told first is never told, or what examples show can't be told apart."""
    values = {which for each in known.values() for which, _ in each}
    for which in first:
        if which not in values:
            raise DataError(f"`{which}` is to be told `first`, but in training {choices(which, sorted(values))}")
        if first.count(which) > 1:
            raise DataError(f"`first` must name each value once, but names `{which}` {first.count(which)} times")
    for name in (text for each in known.values() for _, text in each if shown is not None and BESIDE in f" {text} "):
        raise DataError(f"`{shown}` must not hold ` = `, which is between the names of an example, but is `{name}`")


def _with_known(table: Table, into: str, made_of: Sequence[Any], told: Callable[[], Iterable[list[str]]]) -> Table:
    schema = pa.schema([*table.schema.remove_metadata(), (into, pa.string())])

    def rows() -> Iterator[dict[str, Any]]:
        for row, lines in zip(table, told(), strict=True):
            yield {**row, into: "\n".join(lines)}

    def batches() -> Iterator[Any]:
        left = rows()
        while piece := list(islice(left, _ROWS)):
            yield pa.RecordBatch.from_pylist(piece, schema)

    return store(Stream(["gathered", _VERSION, table.key, *made_of], batches, table.origin))


def _others(known: Mapping[Any, list[tuple[str, str]]], thing: Any, asked: str) -> list[str]:
    return [f"{which} {text}" for which, text in known.get(thing, ()) if which != asked]


def _examples(
    table: Table,
    train: Table,
    known: Mapping[Any, list[tuple[str, str]]],
    names: tuple[str, str, str, str],
    near: str,
    most: int,
) -> list[list[str]]:
    """For each row what is told of the things most alike, by the same `by`: lines, empty where there are none."""
    _, same, by, of = names
    learned = list(zip(told_in(train, same, by, of), train.column(near), strict=True))
    asked = list(zip(told_in(table, same, by, of), table.column(near), strict=True))
    found: list[list[str]] = [[""] * most for _ in asked]
    for which in sorted({each[1] for each, _ in asked}):
        there = [(each, group) for each, group in learned if each[1] == which]
        rows = [row for row, (each, _) in enumerate(asked) if each[1] == which]
        if not there:
            continue
        texts = ["\n".join(_others(known, each[0], which)) for each, _ in there]
        questions = ["\n".join(_others(known, asked[row][0][0], which)) for row in rows]
        groups = [group for _, group in there], [asked[row][1] for row in rows]
        for row, places in zip(rows, most_alike(texts, questions, groups, most), strict=True):
            for line, place in enumerate(places):
                found[row][line] = _example(known, asked[row][0][0], *there[place][0])
    return found


def _example(known: Mapping[Any, list[tuple[str, str]]], asked: Any, other: Any, which: str, text: str) -> str:
    """What is told of another thing, beside the first that is told of both by something else than `which`."""
    both = {each for each, _ in known.get(asked, ())} - {which}
    beside = next((f"{each} {told}" for each, told in known[other] if each in both), "")
    return f"{beside}{BESIDE}{text}".lstrip()


def told_in(table: Table, same: str, by: str, of: str) -> Iterator[tuple[Any, str, str]]:
    """Row by row the thing, what is asked for, and what is told, one blank between two words.

    Raises:
        DataError: values of `by` or `of` that are no texts.
    """
    columns = (table.column(name) for name in (same, by, of))
    for number, (thing, which, text) in enumerate(zip(*columns, strict=True)):
        for name, value in ((by, which), (of, text)):
            if not isinstance(value, str):
                raise DataError(
                    f"row {number} of `{name}` in {table.origin} must be a text to be gathered, but is {value!r}"
                )
        yield thing, " ".join(which.split()), " ".join(text.split())
