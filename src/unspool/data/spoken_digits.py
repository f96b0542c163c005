"""The free spoken digit dataset: recordings of six people, from its public repository."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from unspool import cache
from unspool.data.fetching import UnreachableError, fetched
from unspool.data.parts import PARTS, Split
from unspool.data.sources import rows_stream
from unspool.data.tables import Stream

COLUMNS = ("file", "digit", "speaker", "take")
ADDRESS = (
    "https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/zip/26eb9aaf76e81b692f806f9140c2d2777410d7a1"
)
CONTENT = "dbd573d7cafe79c4b49f65718115e1304e24e067fa39eff18a660dc6cb9c360f"
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
_TEST_TAKES = 5  # of each digit by each speaker: the split that its authors name
_VALID = 0.06


def spoken_digits() -> dict[str, Stream]:
    """3,000 recordings at 8 kHz: the path of a file, which digit is said, by whom, and which of 50 takes it is.

    Takes 0 to 4 are for testing, as its authors say; of the others a part is for validation, by a hash of the name.

    Raises:
        UnreachableError: no answer, or other recordings than were pinned.

    Reference:
        Jackson et al. (2018), Free Spoken Digit Dataset (FSDD), CC BY-SA 4.0.
    """
    folder = cache.entry("downloads", CONTENT[:32], _write)
    split = Split(by="file", valid=_VALID, test=0)

    def rows(part: str) -> Iterator[tuple[str, ...]]:
        for file in sorted(folder.glob("*.wav")):
            digit, speaker, take = _NAME.fullmatch(file.name).groups()  # type: ignore[union-attr]
            own = "test" if int(take) < _TEST_TAKES else split.part(file.name)
            if own == part:
                yield str(file), _WORDS[int(digit)], speaker, take

    return {
        part: rows_stream(["fsdd", CONTENT, part, str(folder)], partial(rows, part), COLUMNS, f"`fsdd` ({part})")
        for part in PARTS
    }


def _write(folder: Path) -> None:
    """Unpack the recordings of the fetched archive, and keep them if they are those that were pinned."""
    archive = fetched(ADDRESS, folder / "archive.zip")
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if _NAME.fullmatch(PurePosixPath(name).name):
                (folder / PurePosixPath(name).name).write_bytes(opened.read(name))
    archive.unlink()
    if content_of(folder) != CONTENT:
        raise UnreachableError(f"`{ADDRESS}` came without the recordings that were pinned")


def content_of(folder: Path) -> str:
    """A name for what the recordings in a folder hold: of an archive that is packed anew only this stays the same."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.wav")):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
