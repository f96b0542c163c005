"""Rows whose files are broken: all named and counted in one message, or left out as far as the recipe allows it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from unspool.data import Table
from unspool.data.broken import broken, without
from unspool.errors import DataError, FieldError, MissingPackageError
from unspool.fields import Field
from unspool.recipes import Recipe

_NAMED = 3  # files of a column that a message names

_Reasons = dict[str, dict[str, dict[int, str]]]  # by part, column and row


class Sifted(NamedTuple):
    """Tables whose files can be read.

    Fields:
        tables: by part, without the rows that were left out.
        left_out: by part, a line for each column some of whose files can't be read.
    """

    tables: dict[str, Table]
    left_out: dict[str, list[str]]


def sifted(recipe: Recipe, tables: Mapping[str, Table], readers: Mapping[str, Field]) -> Sifted:
    """The rows whose files can be read, where the recipe allows to leave out a share of the others.

    Args:
        recipe: with `data.skip_broken`. Where it is 0 no file is looked at, and all rows stay.
        tables: by part.
        readers: a field for each column of files; they need not be fitted.

    Raises:
        DataError: a larger share of a part is broken; all are named and counted.
    """
    most = recipe.data.skip_broken
    if not most:
        return Sifted(dict(tables), {})
    found = _reasons(recipe, tables, readers)
    if _largest_share(found, tables) > most:
        raise DataError(_message(recipe, found, tables))
    left_out = {
        part: [_remark(part, name, rows, len(tables[part])) for name, rows in columns.items() if rows]
        for part, columns in found.items()
    }
    return Sifted({part: without(table, _rows(found[part])) for part, table in tables.items()}, left_out)


@contextmanager
def broken_files_counted(recipe: Recipe, tables: Mapping[str, Table], readers: Mapping[str, Field]) -> Iterator[None]:
    """Within, the first file that can't be read ends it with a message about all of them, in all parts.

    Args:
        recipe, tables, readers: as of `sifted`.

    Raises:
        FieldError: this message; or what a field raised, if it is about something else.
    """
    try:
        yield
    except MissingPackageError:
        raise
    except FieldError as error:
        found = _reasons(recipe, tables, readers)
        if not any(map(_rows, found.values())):
            raise
        raise FieldError(_message(recipe, found, tables)) from error


def _reasons(recipe: Recipe, tables: Mapping[str, Table], readers: Mapping[str, Field]) -> _Reasons:
    asked = {name: recipe.fields[name].model_dump(mode="json") for name in readers}
    return {
        part: {name: broken(table, name, field, asked[name]) for name, field in readers.items()}
        for part, table in tables.items()
    }


def _rows(columns: Mapping[str, Mapping[int, str]]) -> set[int]:
    """The rows of a part of which a file in any column can't be read."""
    return {row for rows in columns.values() for row in rows}


def _largest_share(found: _Reasons, tables: Mapping[str, Table]) -> float:
    return max(len(_rows(found[part])) / len(table) for part, table in tables.items())


def _message(recipe: Recipe, found: _Reasons, tables: Mapping[str, Table]) -> str:
    """What is broken, by column, and what to do."""
    most, share = recipe.data.skip_broken, _largest_share(found, tables)
    allowed = f", more of a part than the {most:g} that `data.skip_broken` allows" if most else ""
    lines = []
    for name in recipe.fields:
        counts = {part: len(columns.get(name, ())) for part, columns in found.items()}
        if not any(counts.values()):
            continue
        where = ", ".join(f"{count:,} of {part}" for part, count in counts.items() if count)
        total = sum(map(len, tables.values()))
        lines.append(
            f"`{name}` must name files that can be read, but {sum(counts.values()):,} of {total:,} rows name others "
            f"({where}){allowed}:"
        )
        reasons = list(dict.fromkeys(reason for columns in found.values() for reason in columns[name].values()))
        lines += [f"  {reason}" for reason in reasons[:_NAMED]]
        lines += [f"  and {len(reasons) - _NAMED:,} more"] if len(reasons) > _NAMED else []
    enough = math.ceil(share * 1000) / 1000
    leave = (
        f", or leave these rows out by `data.skip_broken={enough:g}`, the largest share of a part" if enough < 1 else ""
    )
    return "\n".join([*lines, f"mend these files or take their rows out{leave}"])


def _remark(part: str, column: str, rows: Mapping[int, str], total: int) -> str:
    some = "; ".join(list(dict.fromkeys(rows.values()))[:_NAMED]) + ("; …" if len(set(rows.values())) > _NAMED else "")
    return f"`{column}`, {part}: {len(rows):,} of {total:,} rows are left out, since their files can't be read: {some}"
