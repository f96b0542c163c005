"""The pictures of a video file that are nearest to moments at equal distances, decoded one after another."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from unspool.errors import FieldError
from unspool.fields.pictures import package

Item = TypeVar("Item")
Time = int | Fraction

_PART = Fraction(4, 5)  # hidden frames and cuts make honest files fall a little short of what they promise
_FORMATS = {1: "gray", 3: "rgb24"}
_STILLS = "_pipe"  # how FFmpeg's names of formats for single pictures end
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_USUAL_RATE = 25  # pictures a second of a stream that tells neither times nor rate, as FFmpeg has it


def clip(path: str, channels: int, frames: int | None, rate: float | None) -> Iterator[NDArray[Any]]:
    """The pictures of a video file that are nearest to `moments`, by the times at which they are to be shown.

    One pass over the file learns first and last time without decoding, another decodes; no more than two pictures are
    held. Times that a format has not (a bare stream of MPEG or H.264) are counted by frames. What kind of file it is is
    told by what it holds, and no other file that it may refer to is opened.

    Args:
        path: of the file.
        channels: 1, grey, or 3, red, green and blue.
        frames, rate: as of `moments`.

    Returns:
        (height, width) or (height, width, 3) uint8 each, turned as the file says.

    Raises:
        FieldError: a file that is missing, no video, a single picture or without pictures; one that is cut short or
            damaged: four fifths of what its header promises must be there, and four fifths of that be decoded; `av` not
            installed.
    """
    with _opened(path) as container:
        survey = _survey(container, path)
    wanted = moments(survey.first, survey.last, survey.pictures, frames, rate and Fraction(rate) * survey.unit)
    with _opened(path) as container:
        for frame in nearest(_decoded(container, survey, path), wanted):
            pixels = frame.to_ndarray(format=_FORMATS[channels])
            yield np.rot90(pixels, round(frame.rotation / 90))


def moments(
    first: Time, last: Time, count: int, frames: int | None, rate: float | Fraction | None
) -> Iterator[Time] | None:
    """The moments from a first to a last one at which to look, or None for every picture.

    Args:
        first, last: in some unit of time.
        count: pictures that there are; rounded times may make the last moment fall a quarter of their distance late.
        frames: how many moments, from the first to the last; one is in the middle.
        rate: or how many of a unit, from the first on.

    Example:
        >>> [float(each) for each in moments(0, 3, 4, 3, None)], [float(each) for each in moments(0, 3, 4, None, 0.5)]
        ([0.0, 1.5, 3.0], [0.0, 2.0])
    """
    span = Fraction(last - first)
    if frames is not None:
        shares = [Fraction(1, 2)] if frames == 1 else (Fraction(k, frames - 1) for k in range(frames))
        return (first + span * share for share in shares)
    if rate is None:
        return None
    exact = Fraction(rate)
    steps = math.floor((span + span / (4 * max(count - 1, 1))) * exact)
    return (first + k / exact for k in range(steps + 1))


def nearest(timed: Iterable[tuple[Time, Item]], wanted: Iterator[Time] | None) -> Iterator[Item]:
    """What is nearest to each moment, the earlier of two that are equally near, in one pass.

    Args:
        timed: what there is, each with its time, in their order.
        wanted: moments in their order, or None for all there is.

    Example:
        >>> list(nearest([(0, "a"), (10, "b"), (12, "c")], iter([0, 5, 6, 11, 12, 90])))
        ['a', 'a', 'b', 'b', 'c', 'c']
    """
    if wanted is None:
        yield from (item for _, item in timed)
        return
    moment = next(wanted, None)
    before: tuple[Time, Item] | None = None
    for time, item in timed:
        while moment is not None and moment <= time:
            yield item if before is None or time - moment < moment - before[0] else before[1]
            moment = next(wanted, None)
        before = time, item
    while moment is not None and before is not None:
        yield before[1]
        moment = next(wanted, None)


class _Survey(NamedTuple):
    """What is known of a stream before it is decoded.

    Fields:
        first, last: when its first and its last picture are shown.
        pictures: how many there are.
        unit: seconds of a unit of time.
        timed: whether the file tells times; or else pictures are counted.
    """

    first: int
    last: int
    pictures: int
    unit: Fraction
    timed: bool


class _Nameless:
    """A file without its name, so that no suffix has a say: FFmpeg takes any text called `.txt` for a video."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    av = package("av", f"`{path}`", "av", "video")
    try:
        # A playlist could reach for any file or address: no protocol has this name.
        with (
            open(path, "rb") as stream,
            av.open(_Nameless(stream), options={"protocol_whitelist": "none"}) as container,
        ):
            yield container
    except av.error.FFmpegError as error:
        raise FieldError(
            f"`{path}` must be a video that FFmpeg can read, but it says: {error.strerror}; is it another kind of "
            "file, or cut short?"
        ) from error
    except OSError as error:
        raise FieldError(f"`{path}` can't be read: {error.strerror or error}") from error


def _stream(container: Any, path: str) -> Any:
    """The stream of moving pictures; the cover of a song is none."""
    cover = package("av.stream", f"`{path}`", "av", "video").Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise FieldError(f"`{path}` must have pictures over time, but has none; is it a sound, or cut short?")
    if container.format.name.endswith(_STILLS):
        raise FieldError(f"`{path}` must have pictures over time, but is a single picture; use a field of kind `image`")
    return streams[0]


def _survey(container: Any, path: str) -> _Survey:
    stream = _stream(container, path)
    first, last, end, count, discarded = math.inf, -math.inf, -math.inf, 0, 0
    untimed = package("av.format", f"`{path}`", "av", "video").Flags.no_timestamps.value
    timed = not container.format.flags & untimed
    for packet in container.demux(stream):
        if packet.is_discard or not packet.size:  # the last one is empty, those before a cut are not to be shown
            discarded += packet.is_discard
            continue
        count += 1
        timed = timed and packet.pts is not None
        if timed:
            first, last = min(first, packet.pts), max(last, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    if not count:
        raise FieldError(f"`{path}` must hold at least one picture, but holds none; copy it again")
    _check_whole(count, stream.frames - discarded, path)
    if not timed:
        return _Survey(0, count - 1, count, 1 / Fraction(stream.average_rate or _USUAL_RATE), timed)
    _check_whole(float((end - first) * stream.time_base), _promised_seconds(stream.metadata), path, "seconds")
    return _Survey(int(first), int(last), count, stream.time_base, timed)


def _promised_seconds(metadata: Mapping[str, str]) -> float:
    """What Matroska and WebM tell in place of a number of pictures; 0 where nothing is told."""
    for name, text in metadata.items():
        if name.startswith("DURATION") and (found := _DURATION.fullmatch(text)):
            return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    return 0.0


def _decoded(container: Any, survey: _Survey, path: str) -> Iterator[tuple[int, Any]]:
    """Pictures with their times, in the order in which they are shown."""
    error_type = package("av.error", f"`{path}`", "av", "video").FFmpegError
    count, time = 0, survey.first
    for packet in container.demux(_stream(container, path)):
        try:
            frames = packet.decode()
        except error_type:  # one that is damaged; those that are left are counted
            continue
        for frame in frames:
            if not survey.timed:
                time = count
            elif frame.pts is not None:
                time = frame.pts
            count += 1
            yield time, frame
    _check_whole(count, survey.pictures, path)


def _check_whole(there: float, promised: float, path: str, unit: str = "pictures") -> None:
    if there < promised * _PART:
        raise FieldError(
            f"`{path}` is cut short or damaged: it promises {promised:,.10g} {unit}, but only {there:,.10g} can be "
            "read; copy it again"
        )
