"""Dialogue acts with their sentences, as in the files of RNNLG (Wen et al., 2015)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unspool.data.lines import lines
from unspool.errors import DataError

COLUMNS = ("act", "text", "template")
_ROW = '["inform(name=nopa)", "nopa is nice", "nopa is a nice place"]'
_BLANK = " \t\r\n"


def act_rows(file: Path) -> Iterator[Sequence[str]]:
    """A row for every act, in the order of the file: the act, what a person says for it, what a template does.

        # lines that begin with this sign are passed over
        [
            ["inform(name=nopa)", "nopa is nice", "nopa is a nice place"], …
        ]

    `unspool.acts.parse` reads an act. The text of a file is held in memory while it is read, its rows are not.

    Raises:
        DataError: no such list, with the line.

    Reference:
        Wen et al. (2015), Semantically conditioned LSTM-based natural language generation for spoken dialogue systems.
    """
    # A comment leaves an empty line, so that lines keep their numbers.
    text = "".join("\n" if line.lstrip().startswith("#") else line for line in lines(file))
    entries = _Entries(file, text)
    entries.expect("[", "a file must hold a list of acts in brackets")
    while not entries.skip("]"):
        yield entries.row()
        if not entries.skip(","):
            entries.expect("]", "an entry must be followed by `,` or the closing `]`")
            break
    entries.expect("", "nothing must follow the closing `]`")


class _Entries:
    """The entries of a JSON list, one after another; what is wrong with one is said with its line."""

    def __init__(self, file: Path, text: str) -> None:
        self.file, self.text = file, text
        self.at, self.number, self.counted = 0, 1, 0
        self.decoder = json.JSONDecoder()

    def skip(self, sign: str) -> bool:
        """Whether this sign comes next; it is passed over."""
        while self.at < len(self.text) and self.text[self.at] in _BLANK:
            self.at += 1
        found = self.text.startswith(sign, self.at) if sign else self.at == len(self.text)
        self.at += len(sign) if found else 0
        return found

    def expect(self, sign: str, rule: str) -> None:
        if not self.skip(sign):
            there = self.text[self.at : self.at + 20].split("\n")[0]
            came = f"`{there}` comes" if there else "the file ends; fetch or copy it again"
            raise self.wrong(self.line(), f"{rule}, but {came}")

    def row(self) -> list[str]:
        number = self.line()
        try:
            row, self.at = self.decoder.raw_decode(self.text, self.at)
        except (json.JSONDecodeError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            raise self.wrong(number, f"an entry must be JSON, as `{_ROW}`, but is not: {what}") from error
        if not isinstance(row, list) or len(row) != len(COLUMNS) or not all(isinstance(each, str) for each in row):
            raise self.wrong(number, f"an entry must be three texts, as `{_ROW}`, but is `{_short(row)}`")
        try:
            "".join(row).encode()
        except UnicodeEncodeError as error:
            raise self.wrong(number, "a text must be valid Unicode, but has half a surrogate pair") from error
        return row

    def line(self) -> int:
        """The line that is read now."""
        self.number += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.number

    def wrong(self, number: int, what: str) -> DataError:
        return DataError(f"`{self.file}`, line {number}: {what}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
