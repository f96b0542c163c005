"""Augmentation changes what it is asked to, in training alone, and belongs to the example."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unspool import Layers, Padded, Ragged
from unspool.errors import BatchError, CellError, RandomnessError
from unspool.layers.augmentation import Jitter, Masking
from unspool.randomness import number_layers, using

LENGTHS = [6, 0, 9, 1, 30]
LAYERS: dict[str, Any] = {
    "Jitter": lambda: Jitter(shift=2, flip=True, scale=0.3),
    "Masking": lambda: Masking(times=2, time_width=4, bands=2, band_width=3),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def batch_for(name: str, lengths: list[int] = LENGTHS) -> Ragged:
    torch.manual_seed(0)
    shape = (2, 5, 7) if name == "Jitter" else (12,)
    return Ragged(torch.rand(sum(lengths), *shape) + 0.5, lengths, torch.arange(len(lengths)) + 40)


def changed(layer: nn.Module, inputs: Ragged | Padded, seed: int = 0, step: int = 0) -> Any:
    with using(seed=seed, step=step):
        return layer(inputs)


@every_layer
class TestEveryLayer:
    def test_an_example_is_changed_as_it_is_alone(self, name):
        layer, batch = LAYERS[name](), batch_for(name)
        together = changed(layer, batch)
        assert not torch.equal(together.values, batch.values)
        assert together.ids.tolist() == batch.ids.tolist()
        for rows in ([4], [2, 0], [1], [3, 4, 0, 1, 2]):
            assert torch.equal(changed(layer, batch.select(rows)).values, together.select(rows).values)

    def test_a_rectangle_is_changed_as_the_ragged_batch_is(self, name):
        layer, batch = LAYERS[name](), batch_for(name)
        for mode in (True, False):
            found = changed(layer.train(mode), batch.to_padded(torch.nan, max_length=32))
            assert torch.equal(Ragged.from_padded(found).values, changed(layer, batch).values)
            assert (found.values[~found.mask] == 0).all()

    def test_it_changes_with_seed_step_id_and_layer(self, name):
        layer, other, batch = LAYERS[name](), LAYERS[name](), batch_for(name)
        number_layers(nn.ModuleList([layer, other]))
        elsewhere = Ragged(batch.values, batch.lengths, batch.ids + 1)
        results = [
            changed(layer, batch),
            changed(layer, batch, seed=1),
            changed(layer, batch, step=1),
            changed(layer, elsewhere),
            changed(other, batch),
        ]
        for number, result in enumerate(results):
            assert not any(torch.equal(result.values, another.values) for another in results[:number])
        assert torch.equal(changed(layer, batch).values, results[0].values)

    def test_evaluation_changes_nothing_and_needs_no_seed(self, name):
        batch = batch_for(name)
        assert torch.equal(LAYERS[name]().eval()(batch).values, batch.values)

    def test_training_needs_a_seed(self, name):
        with pytest.raises(RandomnessError, match=f"`{name}` draws from a seed and a step in training"):
            LAYERS[name]()(batch_for(name))

    def test_the_global_generator_is_neither_read_nor_advanced(self, name):
        layer, batch = LAYERS[name](), batch_for(name)
        before = torch.get_rng_state()
        changed(layer, batch)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
    def test_no_steps_give_no_steps(self, name, lengths):
        batch = batch_for(name, lengths)
        assert changed(LAYERS[name](), batch).lengths.tolist() == lengths
        rectangle = Padded(torch.empty(len(lengths), 0, *batch.values.shape[1:]), batch.lengths)
        assert changed(LAYERS[name](), rectangle).values.shape == rectangle.values.shape

    def test_nan_in_one_sequence_stays_there(self, name):
        layer, batch = LAYERS[name](), batch_for(name)
        planted = batch.with_values(batch.values.index_fill(0, torch.arange(6, 15), torch.nan))
        for row, (ours, clean) in enumerate(
            zip(changed(layer, planted).split(), changed(layer, batch).split(), strict=True)
        ):
            assert row == 2 or torch.equal(ours, clean)

    def test_gradients_are_right(self, name):
        layer, batch = LAYERS[name](), batch_for(name, [2, 0, 5])
        inputs = batch.values.double().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda values: changed(layer, batch.with_values(values)).values, inputs, fast_mode=True
        )

    def test_a_chain_of_layers_numbers_it(self, name):
        layers = Layers(LAYERS[name](), LAYERS[name]())
        assert [layer.layer for layer in layers.layers] == [0, 1]


def shifts(clip: Tensor, found: Tensor, most: int) -> list[tuple[int, int, bool]]:
    """Every (down, right, flipped) that makes one of the other, pixel by pixel."""
    height, width = clip.shape[2:]
    ways = []
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            expected = torch.zeros_like(clip)
            for y in range(max(0, down), min(height, height + down)):
                for x in range(max(0, right), min(width, width + right)):
                    expected[:, :, y, x] = clip[:, :, y - down, x - right]
            ways += [(down, right, False)] * torch.equal(found, expected)
            ways += [(down, right, True)] * torch.equal(found, expected[..., range(width - 1, -1, -1)])
    return ways


class TestJitter:
    def test_a_clip_is_shifted_and_turned_as_one(self):
        batch, layer = batch_for("Jitter", [3] * 60), Jitter(shift=1, flip=True)
        outputs = changed(layer, batch)
        ways = [shifts(*pair, 1) for pair in zip(batch.split(), outputs.split(), strict=True)]
        assert all(len(way) == 1 for way in ways), "one shift for all steps and channels"
        assert len({way[0] for way in ways}) > 12, "of 18 that there are"

    def test_shifts_and_flips_come_equally_often(self):
        n = 4000
        line = torch.arange(1.0, 6.0).repeat(n, 1, 5, 1)
        outputs = changed(Jitter(shift=2, flip=True), Ragged(line, [1] * n)).values[:, 0, 2]
        found = {tuple(row) for row in outputs.tolist()}
        assert len(found) == 10
        for row in found:
            share = (outputs == torch.tensor(row)).all(1).double().mean()
            assert abs(share - 0.1) < 5 * (0.1 * 0.9 / n) ** 0.5

    def test_light_is_one_factor_an_example(self):
        n = 2000
        batch = batch_for("Jitter", [2] * n)
        factors = (changed(Jitter(scale=0.2), batch).values / batch.values).reshape(n, -1)
        torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
        assert 0.8 <= factors.min() < 0.81
        assert 1.19 < factors.max() < 1.2001
        assert abs(factors[:, 0].mean() - 1) < 5 * 0.2 / (3 * n) ** 0.5

    def test_nothing_asked_for_changes_nothing(self):
        batch = batch_for("Jitter")
        assert torch.equal(changed(Jitter(), batch).values, batch.values)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"shift": -1}, "`shift` must be at least 0 pixels, but is -1"),
            ({"scale": 1.5}, "`scale` must be from 0 to 1, but is 1.5"),
        ],
    )
    def test_options_without_meaning_are_refused(self, options, message):
        with pytest.raises(CellError) as error:
            Jitter(**options)
        assert str(error.value) == message

    def test_what_is_no_picture_or_too_small_a_one_is_refused(self):
        with pytest.raises(BatchError) as error:
            Jitter(shift=1)(Ragged(torch.zeros(3, 4), [3]))
        assert str(error.value) == (
            "`inputs` must have steps of (channels, height, width) for `Jitter(shift=1, flip=False, scale=0.0)`, "
            "but has (4,)"
        )
        with pytest.raises(BatchError) as small:
            Jitter(shift=4)(Ragged(torch.zeros(3, 1, 8, 4), [3]))
        assert str(small.value) == (
            "`inputs` must have pictures larger than the shift of 4, but has 8 × 4 pixels; choose a smaller `shift`"
        )


def runs(hidden: list[bool]) -> list[int]:
    """How long each stretch of True is."""
    text = "".join("x" if each else " " for each in hidden)
    return [len(run) for run in text.split()]


def masked(layer: Masking, lengths: list[int], features: int = 12) -> list[Tensor]:
    """Where each sequence of ones is zero. -> (length, features) bool each"""
    return list(changed(layer, Ragged(torch.ones(sum(lengths), features), lengths)).map(lambda x: x == 0).split())


class TestMasking:
    def test_a_span_hides_whole_steps_and_never_more_than_a_quarter(self):
        lengths = list(range(60)) * 3
        for length, hidden in zip(lengths, masked(Masking(1, 10, bands=0), lengths), strict=True):
            assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
            widths = runs(hidden[:, 0].tolist())
            assert len(widths) <= 1
            assert sum(widths) <= min(10, length // 4)

    def test_a_band_hides_features_at_all_steps(self):
        for hidden in masked(Masking(times=0, bands=1, band_width=5), [4] * 100):
            assert torch.equal(hidden, hidden[:1].expand_as(hidden))
            assert len(runs(hidden[0].tolist())) <= 1
            assert hidden[0].sum() <= 5

    def test_widths_and_places_come_equally_often(self):
        n, width, features = 6000, 3, 7
        hidden = torch.stack(masked(Masking(times=0, bands=1, band_width=width), [1] * n, features))[:, 0]
        widths = hidden.sum(1)
        for each in range(width + 1):
            of_width = hidden[widths == each]
            assert abs(len(of_width) / n - 1 / 4) < 5 * (0.25 * 0.75 / n) ** 0.5
            places = features - each + 1
            for first in range(places) if each else ():
                share = (of_width.int().argmax(1) == first).double().mean()
                assert abs(share - 1 / places) < 5 * (1 / places / len(of_width)) ** 0.5

    def test_spans_and_bands_are_as_many_as_asked_for(self):
        hidden = masked(Masking(times=3, time_width=5, bands=2, band_width=2), [100] * 200, 50)
        spans = [len(runs(one.all(1).tolist())) for one in hidden]
        bands = [len(runs(one.all(0).tolist())) for one in hidden]
        assert (max(spans), max(bands)) == (3, 2)
        for one in hidden:
            assert torch.equal(one, one.all(1, keepdim=True) | one.all(0, keepdim=True))

    def test_what_is_not_hidden_is_as_it_was(self):
        batch = batch_for("Masking")
        outputs = changed(Masking(), batch).values
        assert torch.equal(torch.where(outputs == 0, outputs, batch.values), outputs)

    def test_nothing_asked_for_changes_nothing(self):
        batch = batch_for("Masking")
        for layer in (Masking(times=0, bands=0), Masking(time_width=0, band_width=0)):
            assert torch.equal(changed(layer, batch).values, batch.values)

    def test_it_is_causal_once_it_does_nothing(self):
        assert not Masking().causal
        assert Masking().eval().causal

    def test_bad_input_is_refused(self):
        with pytest.raises(CellError) as error:
            Masking(bands=-1)
        assert str(error.value) == "`bands` must be at least 0, but is -1"
        with pytest.raises(BatchError) as refused:
            Masking()(Ragged(torch.zeros(3, 1, 8, 4), [3]))
        assert str(refused.value) == (
            "`inputs` must have steps of (features,) for "
            "`Masking(times=2, time_width=20, bands=2, band_width=8)`, but has (1, 8, 4)"
        )
