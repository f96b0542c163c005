"""Training examples changed at random, so that a model learns what does not matter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unspool.errors import BatchError, CellError
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.randomness import Drawing, Draws, uniform


class Jitter(Drawing, nn.Module):
    """Pictures shifted, turned round and lit at random in training; in evaluation, the input itself.

    One draw for each example, the same for all pictures of a clip. It depends on (seed, step, example, layer) alone:
    see `unspool.randomness`.

    Args:
        shift: pixels at most, up or down and left or right; what comes in at the edges is zero.
        flip: whether every other example, by chance, has left and right exchanged.
        scale: pixels are multiplied by one number from 1 - scale to 1 + scale.

    Raises:
        CellError: a negative shift, or a scale outside of 0 to 1.
        RandomnessError: in training, when run outside of `unspool.randomness.using`.

    Example:
        >>> clips = Ragged(torch.randn(9, 3, 8, 6), lengths=[4, 5])
        >>> with unspool.randomness.using(seed=0, step=0):
        ...     Jitter(shift=2, flip=True)(clips)
        Ragged(values=(9, 3, 8, 6), lengths=[4, 5])
    """

    causal = True

    def __init__(self, shift: int = 0, flip: bool = False, scale: float = 0.0) -> None:
        super().__init__()
        if shift < 0:
            raise CellError(f"`shift` must be at least 0 pixels, but is {shift}")
        if not 0 <= scale <= 1:
            raise CellError(f"`scale` must be from 0 to 1, but is {scale}")
        self.shift, self.flip, self.scale = shift, flip, scale

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, channels, height, width) -> the same"""
        ragged = isinstance(inputs, Ragged)
        features = tuple(inputs.values.shape[1 if ragged else 2 :])
        if len(features) != 3:
            raise BatchError(f"`inputs` must have steps of (channels, height, width) for `{self}`, but has {features}")
        if self.shift >= min(features[1:]):
            raise BatchError(
                f"`inputs` must have pictures larger than the shift of {self.shift}, but has {features[1]} × "
                f"{features[2]} pixels; choose a smaller `shift`"
            )
        clean = inputs if isinstance(inputs, Ragged) else inputs.masked()
        if not self.training or not inputs.batch_size:
            return clean
        # Drawn on the CPU, where the numbers are needed to cut each clip: on a GPU each would be waited for.
        draws = drawn_numbers(self, inputs, 4, torch.device("cpu"))
        clips = clean.split() if isinstance(clean, Ragged) else clean.values.unbind()
        changed = [self._changed(clip, *row) for clip, row in zip(clips, draws.tolist(), strict=True)]
        return clean.with_values(torch.cat(changed) if ragged else torch.stack(changed))

    def _changed(self, clip: Tensor, down: float, right: float, turned: float, light: float) -> Tensor:
        """(time, channels, height, width), numbers from 0 to below 1 -> the same shape"""
        y, x = (int(drawn * (2 * self.shift + 1)) - self.shift for drawn in (down, right))
        clip = F.pad(clip, (x, -x, y, -y))  # a negative width cuts off
        if self.flip and turned < 0.5:
            clip = clip.flip(-1)
        return clip * (1 + self.scale * (2 * light - 1)) if self.scale else clip

    def extra_repr(self) -> str:
        return f"shift={self.shift}, flip={self.flip}, scale={self.scale}"


class Masking(Drawing, nn.Module):
    """Spans of steps and bands of features set to zero in training; in evaluation, the input itself.

    Zero is the mean of features that are normalised. Widths are drawn from 0 up, places from all where the span fits;
    they depend on (seed, step, example, layer) and the sequence's length alone: see `unspool.randomness`.

    Args:
        times: spans of steps for each example.
        time_width: steps of a span at most; never more than a quarter of the sequence.
        bands: bands of neighbouring features for each example, the same at all its steps.
        band_width: features of a band at most.

    Raises:
        CellError: a negative number.
        RandomnessError: in training, when run outside of `unspool.randomness.using`.

    Example:
        >>> with unspool.randomness.using(seed=0, step=0):
        ...     Masking()(Ragged(torch.randn(90, 40), lengths=[40, 50]))
        Ragged(values=(90, 40), lengths=[40, 50])

    Reference:
        Park et al. (2019), SpecAugment, section 2, without time warping.
    """

    def __init__(self, times: int = 2, time_width: int = 20, bands: int = 2, band_width: int = 8) -> None:
        super().__init__()
        self.times, self.time_width, self.bands, self.band_width = times, time_width, bands, band_width
        for name in ("times", "time_width", "bands", "band_width"):
            if getattr(self, name) < 0:
                raise CellError(f"`{name}` must be at least 0, but is {getattr(self, name)}")

    @property
    def causal(self) -> bool:
        """Whether an output depends on the past alone: in training a span depends on how long the sequence is."""
        return not self.training

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, features) -> the same"""
        features = tuple(inputs.values.shape[1 if isinstance(inputs, Ragged) else 2 :])
        if len(features) != 1:
            raise BatchError(f"`inputs` must have steps of (features,) for `{self}`, but has {features}")
        clean = inputs if isinstance(inputs, Ragged) else inputs.masked()
        if not self.training:
            return clean
        return clean.with_values(clean.values.masked_fill(self._hidden(clean, features[0]), 0))

    def _hidden(self, inputs: Ragged | Padded, features: int) -> Tensor:
        """What is set to zero: (total, features) or (batch, time, features) bool."""
        draws = drawn_numbers(self, inputs, 2 * (self.times + self.bands), inputs.device)
        at, of = draws.split([2 * self.times, 2 * self.bands], 1)
        if isinstance(inputs, Ragged):
            lengths, rows, steps = (inputs.layout.on(inputs.device, name) for name in ("lengths", "rows", "steps"))
        else:
            lengths = inputs.lengths.to(inputs.device)
            rows = torch.arange(inputs.batch_size, device=inputs.device).unsqueeze(1)
            steps = torch.arange(inputs.max_length, device=inputs.device)
        starts, ends = _spans(at, lengths, (lengths // 4).clamp(max=self.time_width))
        in_time = _within(steps, starts[rows], ends[rows])
        whole = torch.full_like(lengths, features)
        numbers = torch.arange(features, device=inputs.device)
        first, last = _spans(of, whole, whole.clamp(max=self.band_width))
        in_band = _within(numbers, first.unsqueeze(1), last.unsqueeze(1))
        return in_time.unsqueeze(-1) | in_band[rows]

    def extra_repr(self) -> str:
        return f"times={self.times}, time_width={self.time_width}, bands={self.bands}, band_width={self.band_width}"


def drawn_numbers(layer: Drawing, inputs: Ragged | Padded, count: int, device: torch.device) -> Tensor:
    """So many numbers from 0 to below 1 for each example. -> (batch, count) float64"""
    keys = layer.draws_for(inputs.ids, device, active=True).key
    return uniform(Draws(keys.unsqueeze(1), torch.arange(count, device=device)))


def _spans(draws: Tensor, sizes: Tensor, widest: Tensor) -> tuple[Tensor, Tensor]:
    """Starts and ends of spans within 0 to `sizes`. (batch, 2 · n), (batch,), (batch,) -> (batch, n) twice"""
    wide, where = draws.chunk(2, 1)
    widths = (wide * (widest.unsqueeze(1) + 1)).long()
    starts = (where * (sizes.unsqueeze(1) - widths + 1)).long()
    return starts, starts + widths


def _within(numbers: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Which numbers lie in one of the spans. (*places), (*places, n) twice -> (*places) bool"""
    numbers = numbers.unsqueeze(-1)
    return ((numbers >= starts) & (numbers < ends)).any(-1)
