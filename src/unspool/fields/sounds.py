"""The samples of a sound, from a file or from memory, at the rate that is asked for."""

from __future__ import annotations

import importlib
import io
import math
import struct
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool.errors import FieldError, MissingPackageError

Sound = str | Path | tuple[Any, float]
Samples = NDArray[np.float32]

_BLOCK = 1 << 20  # samples read at a time: a header may promise more than fits into memory
_ENDLESS = 1 << 62  # samples: what libsndfile says of a stream whose length it can't know
_UNKNOWN = 0x7FFFF000  # bytes: what writes to a pipe can't go back to its header, and leaves this or more there
_LOUDEST = 8.0  # full scale is 1; a mixture may pass it a little, 16-bit numbers that nobody divided pass it far
_ORDERS = {b"RIFF": "<", b"RIFX": ">", b"FORM": ">"}  # WAV, and AIFF


def samples(value: Sound, rate: int, subject: str = "`value`") -> Samples:
    """The samples of a sound, its channels averaged. -> (samples,) float32, at least one

    Args:
        value: the path of a file that libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF, …), whatever its suffix, or a pair:
            samples, (samples,) floats in [-1, 1], and their rate.
        rate: samples a second to bring it to.
        subject: what a message calls a value that is no file.

    Raises:
        FieldError: a file that is missing, no sound, or cut short (an Ogg file can't be told); no sample; a sample
            that is not finite or far beyond 1; `soundfile` or `soxr` not installed, if they are needed.
    """
    if isinstance(value, str | Path):
        subject = f"`{value}`"
        found, came_at = _from_file(Path(value), subject)
    else:
        found, came_at = _from_pair(value, subject)
    if not found.size:
        raise FieldError(f"{subject} must hold at least one sample of sound, but holds none")
    loud = ~(np.abs(found) <= _LOUDEST)
    if loud.any():
        first = int(loud.argmax())
        fix = "; divide 16-bit numbers by 32768" if np.isfinite(found[first]) else ""
        raise FieldError(f"{subject} must hold samples in [-1, 1], but sample {first} is {found[first]}{fix}")
    if came_at != rate:
        found = _package("soxr", subject).resample(found, came_at, rate)
    # What is shorter than a sample of the new rate may come back empty: it is a sound all the same.
    return found if found.size else np.zeros(1, np.float32)


def _from_pair(value: object, subject: str) -> tuple[Samples, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise FieldError(
            f"{subject} must be the path of a sound file, or a pair of samples and their rate, "
            f"but is a {type(value).__name__}"
        )
    found, rate = np.asarray(value[0]), value[1]
    if found.dtype.kind != "f" or found.ndim != 1:
        raise FieldError(
            f"the samples of {subject} must be floats of shape (samples,), but are {found.dtype} of {found.shape}; "
            "divide 16-bit numbers by 32768, and average channels"
        )
    if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < float(rate) < math.inf:
        raise FieldError(f"the rate of {subject} must be a number above 0, samples a second, but is {rate!r}")
    with np.errstate(over="ignore"):  # it becomes infinite, which is refused
        return found.astype(np.float32), float(rate)


def _from_file(path: Path, subject: str) -> tuple[Samples, float]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FieldError(f"{subject} can't be read: {error.strerror}") from error
    soundfile = _package("soundfile", subject)
    blocks = []
    try:
        # From memory, so that no suffix has a say: libsndfile takes any text called `.au` for a sound.
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            promised, rate = sound.frames, sound.samplerate
            while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(1))
    except soundfile.LibsndfileError as error:
        raise FieldError(
            f"{subject} must be a sound that libsndfile can read, but it says: {error.error_string.rstrip('.')}; "
            "is it another kind of file, or cut short?"
        ) from error
    found = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    _check_whole(data, subject)
    if len(found) < promised < _ENDLESS:
        raise FieldError(
            f"{subject} is cut short: its header promises {promised:,} samples, but {len(found):,} are there; "
            "copy it again"
        )
    return found, rate


def _check_whole(data: bytes, subject: str) -> None:
    """Of WAV and AIFF, libsndfile reads as much as there is and says nothing."""
    order = _ORDERS.get(data[:4])
    place = 12
    while order and place + 8 <= len(data):
        name, size = struct.unpack_from(f"{order}4sI", data, place)
        place += 8
        if name in (b"data", b"SSND"):
            if len(data) - place < size < _UNKNOWN:
                raise FieldError(
                    f"{subject} is cut short: its header promises {size:,} bytes of sound, "
                    f"but {len(data) - place:,} are there; copy it again"
                )
            return
        place += size + size % 2


def _package(name: str, subject: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: `soundfile` without its libsndfile
        raise MissingPackageError(f"{subject} needs the package `{name}`; pip install 'unspool[audio]'") from error
