"""What is said in recordings, as in the data sets of CMU Sphinx: AN4 is one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from unspool.data.lines import check_file, lines
from unspool.errors import DataError
from unspool.nearest import choices

COLUMNS = ("file", "text", "speaker", "id")
_LINE = re.compile(r"(.*?)\s*\(([^()\s]+)\)")
_NOT_SAID = re.compile(r"<[^<>\s]*>|\+\+\S*\+\+")  # the begin, the end and silence; a noise
_VARIANT = re.compile(r"\(\d+\)$")
_PLACES = (("feat", ".mfc"), ("wav", ".wav"), ("wav", ".flac"), ("wav", ".sph"))


def sphinx_rows(file: Path) -> Iterator[tuple[str, ...]]:
    """A row for every line of a file of transcriptions.

        etc/an4_train.transcription    <s> YES ++NOISE++ </s> (an251-fash-b)
        etc/an4_train.fileids          an4_clstk/fash/an251-fash-b
                                           ↓
        file     /…/an4/feat/an4_clstk/fash/an251-fash-b.mfc
        text     YES
        speaker  fash
        id       an251-fash-b

    The file of ids beside it tells in which folder each recording is. `file` has its features (`feat/*.mfc`), or where
    there are none the sound itself (`wav/*.wav`, `.flac` or `.sph`): which, the first id decides. `speaker` is the
    folder a recording is in. `text` is in the letters of the file, without marks of noise, of silence, of the begin and
    the end, and without the numbers of pronunciations (`THE(2)`). Ids without a line are passed over.

    Raises:
        DataError: a line of another form; an id that the file of ids does not have, or has twice.
    """
    ids = _ids(file)
    paths = _paths(ids)
    folder, suffix = _place(ids, next(iter(paths.values())))
    for number, line in enumerate(lines(file), 1):
        if line.isspace():
            continue
        found = _LINE.fullmatch(line.strip())
        if not found:
            raise DataError(
                f"`{file}`, line {number}: a line must be what is said and an id, as `YES (an251-fash-b)`, but is "
                f"`{line.strip()}`"
            )
        key = PurePosixPath(found[2]).name
        if key not in paths:
            raise DataError(f"`{file}`, line {number}: `{key}` is no id of `{ids}`; {choices(key, paths)}")
        words = (_VARIANT.sub("", word) for word in found[1].split() if not _NOT_SAID.fullmatch(word))
        path = paths[key]
        yield os.path.abspath(folder / (path + suffix)), " ".join(words), PurePosixPath(path).parent.name, key


def beside(file: Path) -> list[object]:
    """What else determines the rows of a file of transcriptions: the file of ids, and which recordings are taken."""
    ids = _ids(file)
    check_file(ids)
    stat = ids.stat()
    folder, suffix = _place(ids, next(iter(_paths(ids).values())))
    return [str(ids.resolve()), stat.st_size, stat.st_mtime_ns, str(folder), suffix]


def _ids(file: Path) -> Path:
    return file.with_suffix(".fileids")


def _paths(ids: Path) -> dict[str, str]:
    """The path of each recording below its folder, by the last name of it."""
    paths: dict[str, str] = {}
    for number, line in enumerate(lines(ids), 1):
        path = line.strip()
        key = PurePosixPath(path).name
        if key in paths:
            raise DataError(f"`{ids}`, line {number}: an id must be there once, but `{key}` was there before")
        if path:
            paths[key] = path
    if not paths:
        raise DataError(f"`{ids}` must hold ids of recordings, as `an4_clstk/fash/an251-fash-b`, but is empty")
    return paths


def _place(ids: Path, first: str) -> tuple[Path, str]:
    """The folder of the recordings, and how their names end."""
    root = ids.absolute().parent.parent
    for folder, suffix in _PLACES:
        if (root / folder / (first + suffix)).is_file():
            return root / folder, suffix
    tried = ", ".join(f"{folder}/{first}{suffix}" for folder, suffix in _PLACES)
    raise DataError(f"`{ids}`: the first id must have a recording in `{root}`, but there is none of {tried}")
