"""Rows that are files: a pattern finds them, and what stands in their names are columns."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from unspool.errors import DataError
from unspool.nearest import choices

FILE = "file"
_PIECES = re.compile(r"(\{[^{}]*\}|\*+|\?)")
_DIGITS = re.compile(r"(\d+)")
_COLUMN = "column"


class Pattern:
    """A pattern of names of files, as seen from a folder; a `{name}` in it is a column.

        recordings/{digit}_{speaker}_{take}.wav   →   recordings/7_jackson_32.wav, 7, jackson, 32

    A `{name}` stands for at least one character but `/`, as few as the pattern allows; the same name twice stands for
    the same text. `*` stands for any characters but `/`, `?` for one. Hidden files are passed over.

    Fields:
        columns: `file`, then the names in their order.

    Raises:
        DataError: a name that is none or is taken; a brace without the other; a pattern that begins at the root.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        pieces = _PIECES.split(pattern)
        if any(sign in literal for literal in pieces[::2] for sign in "{}"):
            raise DataError(f'braces of a pattern must stand in pairs, as `{{digit}}`, but those of "{pattern}" do not')
        if PurePosixPath(pattern).is_absolute():
            raise DataError(f'a pattern must be as seen from the folder `path`, but "{pattern}" begins at the root')
        names: dict[str, None] = {}
        expression = search = ""
        for place, piece in enumerate(pieces):
            if place % 2 == 0:
                expression, search = expression + re.escape(piece), search + glob.escape(piece)
            elif piece in ("?", "*" * len(piece)):
                expression, search = expression + ("[^/]" if piece == "?" else "[^/]*"), search + piece[0]
            else:
                name = _name(piece, pattern)
                expression, search = (
                    expression + (f"(?P={name})" if name in names else f"(?P<{name}>[^/]+?)"),
                    search + "*",
                )
                names[name] = None
        self.columns = (FILE, *names)
        self._expression = re.compile(expression, re.DOTALL)
        self._glob = re.sub(r"\*+", "*", search)  # two names side by side; `**` would mean folders, or nothing

    def rows(self, folder: Path) -> Iterator[tuple[str, ...]]:
        """A row for each file in a folder that fits, numbers in names in the order of their size.

        `file` is as seen from the folder.

        Raises:
            DataError: a name that is not UTF-8.
        """
        names = (file.relative_to(folder).as_posix() for file in folder.glob(self._glob) if file.is_file())
        for name in sorted(names, key=_naturally):
            found = self._expression.fullmatch(name)
            if found and not any(part.startswith(".") and part != ".." for part in name.split("/")):
                _check_utf8(folder, name)
                yield name, *(found[column] for column in self.columns[1:])

    def nothing(self, folder: Path, subject: str) -> DataError:
        """What to say where no file fits."""
        inside = folder
        for part in PurePosixPath(self.pattern).parts[:-1]:
            if _PIECES.search(part) or not (inside / part).is_dir():
                break
            inside = inside / part
        there = sorted((file.relative_to(folder).as_posix() for file in inside.glob("[!.]*")), key=_naturally)
        return DataError(
            f'`{subject}` must match a file in `{folder}`, but "{self.pattern}" matches none; '
            f"{choices(self.pattern, there)}"
        )


def from_path(path: Path) -> tuple[Path, str]:
    """The folder and the pattern of a path that is both: `data/{digit}.wav` is `{digit}.wav` in the folder `data`.

    Raises:
        DataError: a path without a pattern in it, or whose folder does not exist.
    """
    parts = path.parts
    begin = next((place for place, part in enumerate(parts) if _PIECES.search(part)), None)
    if begin is None:
        raise DataError(
            f"`path` must hold a pattern where rows are files, as `{path}/{{label}}/{{name}}.png`, or be a folder with "
            f'`parts` that do, as in `parts: {{train: "train/{{label}}/*.png"}}`, but is `{path}`'
        )
    folder = Path(*parts[:begin])
    if not folder.is_dir():
        raise DataError(f"`path` must be in a folder that exists, but `{folder}` does not")
    return folder, "/".join(parts[begin:])


def _name(piece: str, pattern: str) -> str:
    name = piece[1:-1]
    if name == _COLUMN:
        raise DataError(f'`{{{name}}}` stands for parallel files of lines, so "{pattern}" must call a column otherwise')
    if name == FILE:
        raise DataError(f'`{FILE}` is the column of the files themselves, so "{pattern}" must call another otherwise')
    if not name.isidentifier():
        raise DataError(f'`{piece}` in "{pattern}" must hold a name of letters, digits and _, as `{{digit}}`')
    return name


def _check_utf8(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise DataError(f"`{folder}/{shown}` must have a name in UTF-8, but has another; rename it") from error


def _naturally(name: str) -> tuple[list[str | int], str]:
    pieces = [int(piece) if place % 2 else piece for place, piece in enumerate(_DIGITS.split(name))]
    return pieces, name
