"""What is in tables, for people: rows, columns, lengths, a few examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.tables import Table

_WIDTH = 60  # characters of a value that are shown


@dataclass(frozen=True)
class ColumnDescription:
    """A column: its Arrow type; how many values are null or empty; and the least, the quartiles and the greatest of
    their lengths, in characters of texts or items of lists (None for other types)."""

    type: str
    missing: int
    lengths: tuple[int, int, int, int, int] | None


@dataclass(frozen=True)
class PartDescription:
    """A part: where it is from, its number of rows, its columns, its first rows."""

    origin: str
    rows: int
    columns: dict[str, ColumnDescription]
    examples: list[dict[str, Any]]


@dataclass(frozen=True)
class Description:
    """What `describe` found, by part. Printing it gives a page; `to_json` gives plain values."""

    parts: dict[str, PartDescription]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n\n".join("\n".join(_page(name, part)) for name, part in self.parts.items())


def describe(tables: Mapping[str, Table], *, examples: int = 3) -> Description:
    """Rows, columns, lengths and the first examples of each part, in one pass and bounded memory.

    Example:
        >>> table = Table.from_rows([{"word": "a", "phones": "AH"}, {"word": "bee", "phones": "B IY"}])
        >>> print(describe({"train": table}, examples=1))
        train: 2 rows of memory
          word    string, 1 to 3 characters (quartiles 1, 1, 3)
          phones  string, 2 to 4 characters (quartiles 2, 2, 4)
          {"word": "a", "phones": "AH"}
    """
    return Description({name: _part(table, examples) for name, table in tables.items()})


def _part(table: Table, examples: int) -> PartDescription:
    columns = {name: _column(table, name) for name in table.columns}
    return PartDescription(table.origin, len(table), columns, [table[i] for i in range(min(examples, len(table)))])


def _column(table: Table, name: str) -> ColumnDescription:
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    kind = table.schema.field(name).type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    counts: Counter[int] = Counter()
    nulls = 0
    for array in table.arrays(name):
        nulls += array.null_count
        if text or pa.types.is_list(kind) or pa.types.is_large_list(kind):
            lengths = (pc.utf8_length if text else pc.list_value_length)(array.drop_null())
            counts.update({pair["values"].as_py(): pair["counts"].as_py() for pair in pc.value_counts(lengths)})
    return ColumnDescription(str(kind), nulls + counts[0], _quartiles(counts) if counts.total() else None)


def _quartiles(counts: Counter[int]) -> tuple[int, int, int, int, int]:
    """The least, the quartiles (as values that occur) and the greatest of a counted collection."""
    total = counts.total()
    wanted = [max(1, -(-total * quarter // 4)) for quarter in range(5)]
    found: list[int] = []
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        while len(found) < 5 and seen >= wanted[len(found)]:
            found.append(value)
    return found[0], found[1], found[2], found[3], found[4]


def _page(name: str, part: PartDescription) -> list[str]:
    page = [f"{name}: {part.rows:,} {'row' if part.rows == 1 else 'rows'} of {part.origin}"]
    width = max(map(len, part.columns))
    for column, about in part.columns.items():
        line = f"  {column:<{width}}  {about.type}"
        if about.lengths is not None:
            least, *quartiles, greatest = about.lengths
            unit = "characters" if "string" in about.type.partition("<")[0] else "items"
            line += f", {least} to {greatest} {unit} (quartiles {', '.join(map(str, quartiles))})"
        page.append(line + (f", {about.missing:,} empty" if about.missing else ""))
    for example in part.examples:
        shown = ", ".join(f'"{column}": {_shortened(value)}' for column, value in example.items())
        page.append(f"  {{{shown}}}")
    return page


def _shortened(value: Any) -> str:
    text = str(value) if len(str(value)) <= _WIDTH else f"{str(value)[: _WIDTH - 1]}…"
    return f'"{text}"' if isinstance(value, str) else text
