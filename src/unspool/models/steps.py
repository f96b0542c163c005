"""Sequences of vectors or pictures made into a memory: convolutions, and recurrent layers over what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.layers import Deltas, Jitter, Layers, Masking, Pace, Standardised, convolutions
from unspool.models.encoder import Encoded, memory_size
from unspool.ragged import Ragged


@dataclass(frozen=True)
class Augment:
    """How examples are changed in training, anew at each step of it; all steps of an example alike.

    Fields:
        shift: of pictures, the most pixels they are moved by.
        flip: of pictures, whether every other example is mirrored.
        brightness: of pictures, the most they are made brighter or darker, as a share.
        pace: of any steps, the most they are heard or seen faster or slower, as a share; 0 where there is no time.
        times, time_width: of vectors, how many spans of steps are blanked, and the most steps of one.
        bands, band_width: the same of features.
    """

    shift: int = 0
    flip: bool = False
    brightness: float = 0.0
    pace: float = 0.0
    times: int = 0
    time_width: int = 20
    bands: int = 0
    band_width: int = 8

    def layer(self, shape: tuple[int, ...]) -> nn.Module | None:
        """What does this to steps of a shape; None where there is nothing to do.

        Raises:
            ModelError: changes of pictures for vectors, or of vectors for pictures.
        """
        of_pictures, of_vectors = bool(self.shift or self.flip or self.brightness), bool(self.times or self.bands)
        pictures = len(shape) == 3
        if of_vectors if pictures else of_pictures:
            wrong, right = ("times and bands", "shift, flip and brightness")[:: 1 if pictures else -1]
            what = "pictures" if pictures else "vectors"
            raise ModelError(f"`augment` of {what} must be by {right}, but is by {wrong}; leave those out")
        changes: list[nn.Module] = [Pace(self.pace)] if self.pace else []
        if of_pictures:
            changes.append(Jitter(self.shift, flip=self.flip, scale=self.brightness))
        if of_vectors:
            changes.append(Masking(self.times, self.time_width, self.bands, self.band_width))
        return nn.Sequential(*changes) if changes else None


@dataclass(frozen=True)
class Front:
    """What is below the recurrent layers: see `unspool.layers.convolutions`.

    Fields:
        channels: features that come out of each block; none: steps are read as they are.
        time, time_stride, space_stride: of all blocks, or of each.
        pool: what makes features of what is left of a picture, "flatten" or "mean".
        norm: what blocks normalise, "steps" or the whole "sequence".
        dropout: on what comes out.
        standardised: whether each example is brought to mean 0 and deviation 1 over its steps: see `Standardised`.
        deltas: how many orders of changes over time stand beside each step: see `Deltas`.
        augment: how examples are changed in training.
    """

    channels: tuple[int, ...] = ()
    time: tuple[int, ...] = (3,)
    time_stride: tuple[int, ...] = (1,)
    space_stride: tuple[int, ...] = (2,)
    pool: str = "flatten"
    norm: str = "steps"
    dropout: float = 0.0
    standardised: bool = False
    deltas: int = 0
    augment: Augment = field(default_factory=Augment)


class StepFront(nn.Module):
    """Steps as an encoder's layers read them: changed in training, in numbers of about one, after the convolutions.

    Args:
        shape: of a step, (features,) or (channels, height, width).
        front: what is below the layers.
        pool: in the place of the front's.

    Fields:
        output_size: features of a step that comes out.
        time_stride: steps for one that comes out.

    Raises:
        ModelError: a picture without convolutions, or ones that it can't have.
    """

    def __init__(self, shape: tuple[int, ...], front: Front, pool: str | None = None) -> None:
        super().__init__()
        if not front.channels and len(shape) == 3:
            raise ModelError("`front.channels` must name at least one block where steps are pictures, as in [16, 32]")
        self.shape = shape
        self.register_buffer("nothing", torch.zeros(0), persistent=False)  # knows the type of the network's numbers
        self.standardised = Standardised() if front.standardised else None
        self.augment = front.augment.layer(shape)
        self.deltas = Deltas(front.deltas) if front.deltas else None
        shape = (shape[0] * (1 + front.deltas), *shape[1:])
        self.features: nn.Module | None = None
        self.output_size, self.time_stride = shape[0], 1
        if front.channels:
            blocks = convolutions(
                shape,
                front.channels,
                time=_each("time", front.time, front),
                time_stride=_each("time_stride", front.time_stride, front),
                space_stride=_each("space_stride", front.space_stride, front),
                dropout=front.dropout,
                pool=pool or front.pool,
                norm=front.norm,
            )
            self.features, self.output_size, self.time_stride = blocks, blocks.output_size, blocks.time_stride

    def forward(self, source: Ragged) -> Ragged:
        """(total, *shape) -> (total', output_size)"""
        steps = source.map(self._scaled)
        for change in (self.standardised, self.augment, self.deltas):
            if change is not None:
                steps = change(steps)
        return steps if self.features is None else self.features(steps)

    def _scaled(self, steps: Tensor) -> Tensor:
        """Bytes of pictures as numbers from -1 to 1; other numbers as they are."""
        numbers = steps.to(self.get_buffer("nothing").dtype)
        return numbers / 127.5 - 1 if steps.dtype == torch.uint8 else numbers


class StepEncoder(nn.Module):
    """Vectors or pictures over time to a memory: a front, and recurrent layers over what comes out.

    Args:
        front: from a sequence of steps to a sequence of features, perhaps a shorter one.
        layers: recurrent layers over these, dropout among them.

    Example:
        >>> front = StepFront((7,), Front(channels=(12,), time_stride=(2,)))
        >>> encoder = StepEncoder(front, Layers(unspool.cells.GRU(front.output_size, 5)))
        >>> encoder(Ragged(torch.randn(8, 7), lengths=[3, 5])).memory
        Ragged(values=(5, 5), lengths=[2, 3])
    """

    reads_ids = False

    def __init__(self, front: StepFront, layers: Layers) -> None:
        super().__init__()
        self.front, self.layers = front, layers

    @property
    def memory_size(self) -> int:
        """Features of a step of the memory."""
        return memory_size(self.layers)

    def forward(self, source: Ragged) -> Encoded:
        """Encode. source: (total, *shape) -> memory (total', memory_size)"""
        memory, final = self.layers(self.front(source))
        return Encoded(memory, final)


class RegionEncoder(nn.Module):
    """A picture to a memory of its regions, row by row: what attention looks at.

    Args:
        front: of one block or more over pixels, whose pool is "grid"; or over regions that are features already.

    Raises:
        ModelError: a front that sees each step beside others in time, where there are none.

    Reference:
        Xu et al. (2015), section 3.1.1.
    """

    reads_ids = False

    def __init__(self, front: StepFront) -> None:
        super().__init__()
        check_timeless(front)
        self.front = front

    @property
    def memory_size(self) -> int:
        """Features of a region."""
        return self.front.output_size

    def forward(self, source: Ragged) -> Encoded:
        """(batch, channels, height, width), a step each, or (batch · regions, features) -> memory (…, output_size)"""
        return Encoded(self.front(source), ())


def check_timeless(front: StepFront) -> None:
    """Raise a `ModelError` where a front of pictures does to steps what only time allows."""
    if front.standardised is not None or front.deltas is not None:
        raise ModelError(
            "`front.standardised` and `front.deltas` must be off where a picture is read, which has no time"
        )
    if front.augment is not None and any(isinstance(each, Pace) for each in front.augment.modules()):
        raise ModelError("`front.augment.pace` must be 0 where a picture is read, which has no time")


def _each(name: str, given: tuple[int, ...], front: Front) -> list[int]:
    blocks = len(front.channels)
    if len(given) not in (1, blocks):
        raise ModelError(
            f"`front.{name}` must be one number, or one for each of the {blocks} blocks, but has {len(given)}"
        )
    return list(given) * (blocks if len(given) == 1 else 1)
