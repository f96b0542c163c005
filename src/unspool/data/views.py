"""Several views of each thing of the training part: its variants in turn, each with some of what is known left out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.exchange import Stock, exchanged, stocks
from unspool.data.tables import Stream, Table, store
from unspool.errors import DataError

_ROWS = 4096  # made at a time


def viewed(
    tables: Mapping[str, Table],
    *,
    text: str,
    same: str,
    times: int,
    variants: int = 1,
    keep: float = 0.5,
    head: int = 1,
    exchange: float = 0.0,
    of: str | None = None,
) -> dict[str, Table]:
    r"""Tables whose training part has each thing as often, or each of a few variants of it, and never told whole.

        text="known", same="pair", times=3, keep=0.5, of two rows with one `pair`:

            pair   known                                    pair   known
            🐙 it  it⏎en octopus⏎es pulpo⏎fr pieuvre    →   🐙 it  it⏎en octopus
            🐙 it  it⏎en squid⏎es calamar                   🐙 it  it⏎es calamar
                                                            🐙 it  it⏎es pulpo⏎fr pieuvre

    A network that sees all variants of a thing, and always all that is known of it, learns it by heart, and not how to
    make what it never saw from what is told of it. The other parts are as they were.

    Args:
        tables: by part, with one called "train".
        text: the column of texts whose lines are left out.
        same: the column whose value makes rows variants of one thing.
        times: how often each thing is there: its variants in turn, from one of them that is drawn.
        variants: how many of them at most each time. One makes all things count alike; with more, those that have
            variants count more.
        keep: the chance of a line to stay; one of them always does.
        head: how many first lines are never left out.
        exchange: the chance of a view to have words exchanged for others in its examples and in its name (`exchanged`),
            others of rows whose first line is the same.
        of: the column of names, where words are exchanged.

    Raises:
        DataError: no such column; no texts in `text` or `of`; fewer than one time or variant; a chance that is not in
            (0, 1], or for `exchange` in [0, 1]; an exchange without `of`.

    Example:
        >>> table = Table.from_rows([{"pair": "🐙 it", "known": "it\nen octopus\nes pulpo"}])
        >>> [row["known"] for row in viewed({"train": table}, text="known", same="pair", times=2)["train"]]
        ['it\nes pulpo', 'it\nen octopus']
    """
    _check(times, variants, keep, exchange, of)
    train = tables["train"]
    train.check_columns([text, same, *([of] if of is not None else [])])
    places = defaultdict(list)
    for number, value in enumerate(train.column(same)):
        places[value].append(number)

    def rows() -> Iterator[dict[str, Any]]:
        kept = list(train)
        words = _words(train, text, of) if of is not None and exchange else {}
        for value, turn, number in _turns(places, times, variants):
            row, chances = kept[number], _chances(value, turn)
            told = _lines(row[text], f"row {number} of `{text}` in {train.origin}")
            lines = [*told[:head], *_some(told[head:], keep, chances)]
            if of is not None and chances.random() < exchange:
                lines, name = exchanged(lines, row[of], words[told[0]], chances)
                row = {**row, of: name}
            yield {**row, text: "\n".join(lines)}

    def batches() -> Iterator[Any]:
        left = rows()
        while piece := list(islice(left, _ROWS)):
            yield pa.RecordBatch.from_pylist(piece, train.schema.remove_metadata())

    stream = Stream(["viewed", train.key, text, same, times, variants, keep, head, exchange, of], batches, train.origin)
    return {**tables, "train": store(stream)}


def _check(times: int, variants: int, keep: float, exchange: float, of: str | None) -> None:
    for name, number in (("times", times), ("variants", variants)):
        if number < 1:
            raise DataError(f"`{name}` must be at least 1, but is {number}")
    if not 0 < keep <= 1:
        raise DataError(f"`keep` must be a chance above 0, at most 1, but is {keep:g}")
    if not 0 <= exchange <= 1:
        raise DataError(f"`exchange` must be a chance from 0 to 1, but is {exchange:g}")
    if exchange and of is None:
        raise DataError("`of` must name the column whose words to `exchange`, but is null")


def _turns(places: Mapping[Any, list[int]], times: int, variants: int) -> Iterator[tuple[Any, int, int]]:
    """Each thing's value, how many of its variants were before, and the place of the one whose turn it is."""
    for time in range(times):
        for value, numbers in places.items():
            first, each = int(_chances(value).integers(len(numbers))), min(variants, len(numbers))
            for turn in range(time * each, (time + 1) * each):
                yield value, turn, numbers[(first + turn) % len(numbers)]


def _chances(*of: Any) -> np.random.Generator:
    """Chances that follow from a thing alone, not from the others nor from their order."""
    digest = hashlib.sha256(repr(of).encode(errors="surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _some(lines: list[str], keep: float, chances: np.random.Generator) -> list[str]:
    drawn = chances.random(len(lines))
    return [line for line, chance in zip(lines, drawn, strict=True) if chance < keep or chance == drawn.min()]


def _words(train: Table, text: str, of: str) -> dict[str, Stock]:
    """What words names have, by the first line of the text beside them."""
    firsts, names = [], []
    for number, (told, name) in enumerate(zip(train.column(text), train.column(of), strict=True)):
        firsts.append(_lines(told, f"row {number} of `{text}` in {train.origin}")[0])
        names.append(_text(name, f"row {number} of `{of}` in {train.origin} must be a text of words to exchange"))
    return stocks(firsts, names)


def _lines(text: Any, where: str) -> list[str]:
    return _text(text, f"{where} must be a text of which lines are left out").split("\n")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{what}, but is {value!r}")
    return value
