"""A sound, as the energies of bands of frequencies over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.scaling import Moments, Rows, Scale
from unspool.fields.sounds import Sound, samples

_FLOOR = 1e-10  # energy of silence: just below what the last bit of 16-bit sound gives
_ARGUMENTS = ("rate", "mels", "window", "hop")
_SAVED = ("kind", *_ARGUMENTS, "mean", "deviation")

# Slaney's scale: even up to 1,000 Hz, then a factor of 6.4 in 27 steps.
_EVEN, _BREAK, _FACTOR = 200 / 3, 1000.0, math.log(6.4) / 27


class AudioField(Field):
    """A sound as the logarithms of the energies in bands of frequencies, frame by frame, scaled band by band.

        frame t: window / 2 seconds before and after t · hop, silence beyond the ends
        bands = filters @ |Fourier transform of frame · Hann window|²
        encoded = (log(max(bands, 1e-10)) - mean) / deviation, both of the training part

    A value is the path of a sound file, or a pair: samples, (samples,) floats in [-1, 1], and their rate. Channels are
    averaged. There are 1 + samples // (rate · hop) frames, so never none.

    Args:
        rate: samples a second that every sound is brought to; nothing above half of it is heard.
        mels: bands, triangles from 0 to rate / 2 Hz, equally wide to the ear.
        window: seconds of a frame.
        hop: seconds from one frame to the next.

    Raises:
        FieldError: what is not above 0, a window or hop of less than a sample, or more bands than frequencies for them.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(4000) / 8000)
        >>> field = AudioField(mels=20)
        >>> field.fit([(tone.numpy(), 8000)])
        >>> field.encode((tone.numpy(), 8000)).shape
        torch.Size([51, 20])
        >>> int(field.decode(field.encode((tone.numpy(), 8000)))[25].argmax())  # of bands about 100 Hz apart
        3

    Reference:
        Stevens, Volkmann and Newman (1937), the mel; Slaney (1998), Auditory Toolbox, its scale and filters of equal
        area, as of librosa by default. The transform is of the next power of two, not of 2048.
    """

    kind: ClassVar[str] = "audio"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"
    reads_files: ClassVar[bool] = True

    def __init__(self, rate: int = 8000, mels: int = 40, window: float = 0.025, hop: float = 0.010) -> None:
        for name, value in (("rate", rate), ("mels", mels)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise FieldError(f"`{name}` must be a whole number of at least 1, but is {value!r}")
        for name, seconds in (("window", window), ("hop", hop)):
            number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds)
            if not number or round(seconds * rate) < 1:
                raise FieldError(f"`{name}` must be at least one sample, {1 / rate} seconds, but is {seconds!r}")
        self.rate, self.mels, self.window, self.hop = rate, mels, float(window), float(hop)
        self._hann = torch.hann_window(round(window * rate))
        self._size = 1 << (len(self._hann) - 1).bit_length()
        self._filters = _filters(rate, mels, self._size)
        if not bool(self._filters.any(1).all()):
            raise FieldError(
                f"`mels` must be few enough for each band to hold a frequency, but of {mels} bands some lie "
                f"between two, which are {rate / self._size} Hz apart; take fewer, or a longer `window` than {window}"
            )
        self._scale: Scale | None = None

    def fit(self, values: Iterable[Sound]) -> None:
        """Learn each band's mean and deviation, in one pass over the sounds.

        Raises:
            FieldError: no value, or one that is no sound; see `encode`.
        """
        if isinstance(values, str | Path):
            raise FieldError(f"`values` must be many sounds, but is one: `{values}`; use `field.fit([path])`")
        moments = Moments()
        for number, value in enumerate(values):
            moments.add(self._energies(value, f"value {number} of `values`"))
        if moments.features is None:
            raise FieldError("`values` must hold at least one sound, but are empty")
        self._scale = moments.scale()

    def encode(self, value: Sound) -> Tensor:
        """-> (frames, mels) float32

        Raises:
            FieldError: before `fit`; a file that is missing, no sound or cut short; no sample, or one that is not
                finite or far beyond 1; `soundfile` or `soxr` not installed, if they are needed.
        """
        return self._fitted("encode").encode(self._energies(value, "`value`"))

    def check(self, value: Sound) -> None:
        samples(value, self.rate)

    def decode(self, encoded: Tensor) -> Rows:
        """The logarithms of the energies: no sound, since these don't tell its phases. (frames, mels) -> the same

        Raises:
            FieldError: before `fit`, or a tensor of another shape.
        """
        return self._fitted("decode").decode(encoded)

    @property
    def step_shape(self) -> tuple[int]:
        """(features,)"""
        return (len(self),)

    def __len__(self) -> int:
        """The number of bands."""
        return self.mels

    def to_json(self) -> dict[str, Any]:
        arguments = {name: getattr(self, name) for name in _ARGUMENTS}
        return {"kind": self.kind, **arguments, **self._fitted("save").to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> AudioField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        field = cls(**{name: saved[name] for name in _ARGUMENTS})
        field._scale = Scale.from_json(saved["mean"], saved["deviation"])
        if len(field._scale.mean) != field.mels:
            raise FieldError(f"`mean` must be of {field.mels} bands, but is of {len(field._scale.mean)}")
        return field

    def __repr__(self) -> str:
        return f"AudioField({', '.join(f'{name}={getattr(self, name)}' for name in _ARGUMENTS)})"

    def _fitted(self, purpose: str) -> Scale:
        if self._scale is None:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}; call `field.fit(values)` with the training part's"
            )
        return self._scale

    def _energies(self, value: Sound, subject: str) -> Rows:
        """(frames, mels), as logarithms."""
        spectrum = torch.stft(
            torch.from_numpy(samples(value, self.rate, subject)),
            self._size,
            round(self.hop * self.rate),
            len(self._hann),
            self._hann,
            pad_mode="constant",  # a reflection, torch's default, needs more samples than half a window
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        energies: Rows = (self._filters @ power).clamp(min=_FLOOR).log().T.double().numpy()
        return energies


def _filters(rate: int, mels: int, size: int) -> Tensor:
    """(mels, size // 2 + 1): triangles of area 1, each from the middle of the band before to that of the next."""
    edges = _hertz(np.linspace(0, _mel(rate / 2), mels + 2))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    frequencies = np.arange(size // 2 + 1) * (rate / size)
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return torch.from_numpy((triangles * 2 / (high - low)).astype(np.float32))


def _mel(hertz: float) -> float:
    return hertz / _EVEN if hertz < _BREAK else _BREAK / _EVEN + math.log(hertz / _BREAK) / _FACTOR


def _hertz(mels: Rows) -> Rows:
    above = _BREAK * np.exp(np.maximum(mels - _BREAK / _EVEN, 0) * _FACTOR)
    hertz: Rows = np.where(mels < _BREAK / _EVEN, mels * _EVEN, above)
    return hertz
