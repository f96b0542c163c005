"""Of a recipe: what is in columns of sounds, pictures, clips, series, notes and strokes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from unspool.recipes.section import Section
from unspool.recipes.values import Positive, Size

_Crop = Annotated[tuple[int, int, int, int], Field(strict=False)]


class AudioSpec(Section):
    """A sound, as the energies of bands of frequencies over time."""

    kind: Literal["audio"]
    """`audio`, or another kind."""
    rate: Size = 8000
    """Samples a second that a file is brought to."""
    mels: Size = 40
    """Bands, equally wide to the ear."""
    window: Positive = 0.025
    """Seconds of a frame."""
    hop: Positive = 0.01
    """Seconds from one frame to the next."""


class SeriesSpec(Section):
    """Numbers over time, several a step: lists, or a file of them (`.npy`, `.mfc`)."""

    kind: Literal["series"]
    """`series`, or another kind."""
    last: Size | None = None
    """How many steps are read, the last ones; null: all."""


class ImageSpec(Section):
    """A picture."""

    kind: Literal["image"]
    """`image`, or another kind."""
    height: Size = 64
    """Pixels it is brought to."""
    width: Size = 64
    """The same from left to right."""
    channels: Literal[1, 3] = 3
    """1: grey; 3: red, green and blue."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """What becomes of pictures of another shape: their edges are cut off, room is added, or they are stretched."""


class RegionsSpec(Section):
    """A picture, as the features that a network trained on ImageNet gives to its regions."""

    kind: Literal["regions"]
    """`regions`, or another kind."""
    network: Literal["lite0", "lite1", "lite2"] = "lite0"
    """EfficientNet-Lite of this size: 7 by 7, 8 by 8 or 9 by 9 regions."""
    fit: Literal["crop", "pad", "stretch"] = "stretch"
    """What becomes of pictures that are no squares: their edges are cut off, room is added, or they are stretched."""


class RowsSpec(Section):
    """A picture in black and white, as its rows of pixels from top to bottom."""

    kind: Literal["rows"]
    """`rows`, or another kind."""
    height: Size = 28
    """Rows, which are steps."""
    width: Size = 28
    """Pixels of a row."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """From which lightness on a pixel is white."""


class VideoSpec(Section):
    """A clip, as pictures over time."""

    kind: Literal["video"]
    """`video`, or another kind."""
    frames: Size | None = None
    """How many pictures are taken, at equal distances; null: all, or as `rate` says."""
    rate: Positive | None = None
    """Pictures taken of a second; null: all, or as `frames` says."""
    height: Size = 64
    """Pixels they are brought to."""
    width: Size = 64
    """The same from left to right."""
    channels: Literal[1, 3] = 1
    """1: grey; 3: red, green and blue."""
    crop: _Crop | None = None
    """The part that is looked at: top, left, height and width in pixels of the file; null: all."""


class NotesSpec(Section):
    """Music, as the pitches that sound at each step, all at once."""

    kind: Literal["notes"]
    """`notes`, or another kind."""
    lowest: Annotated[int, Field(ge=0, le=127)] = 21
    """The lowest pitch there is, as MIDI numbers them."""
    highest: Annotated[int, Field(ge=0, le=127)] = 108
    """The highest."""


class ChordsSpec(Section):
    """Music, as notes one after another: those of a step from high to low, then a sign that the next step begins."""

    kind: Literal["chords"]
    """`chords`, or another kind."""
    lowest: Annotated[int, Field(ge=0, le=127)] = 21
    """The lowest pitch there is, as MIDI numbers them."""
    highest: Annotated[int, Field(ge=0, le=127)] = 108
    """The highest."""


class StrokesSpec(Section):
    """A drawing, as moves of a pen."""

    kind: Literal["strokes"]
    """`strokes`, or another kind."""


MediaSpec = (
    Annotated[AudioSpec, Tag("AudioSpec")]
    | Annotated[SeriesSpec, Tag("SeriesSpec")]
    | Annotated[ImageSpec, Tag("ImageSpec")]
    | Annotated[RegionsSpec, Tag("RegionsSpec")]
    | Annotated[RowsSpec, Tag("RowsSpec")]
    | Annotated[VideoSpec, Tag("VideoSpec")]
    | Annotated[NotesSpec, Tag("NotesSpec")]
    | Annotated[ChordsSpec, Tag("ChordsSpec")]
    | Annotated[StrokesSpec, Tag("StrokesSpec")]
)
MEDIA = {
    "audio": "AudioSpec",
    "series": "SeriesSpec",
    "image": "ImageSpec",
    "regions": "RegionsSpec",
    "rows": "RowsSpec",
    "video": "VideoSpec",
    "notes": "NotesSpec",
    "chords": "ChordsSpec",
    "strokes": "StrokesSpec",
}
"""The sections by the kinds of fields that they describe; each is made with all that its section says but `kind`."""
