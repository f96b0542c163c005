"""A random mask belongs to its example: nothing but (seed, step, id, layer, position) can change it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from unspool import Bidirectional, Dropout, Layers, Padded, Ragged, Stack, Zoneout, cells, unroll
from unspool.randomness import Draws, keep, number_layers, using
from unspool.state import detach

WIDTH = 64


def ones(lengths: list[int], ids: list[int] | None = None) -> Ragged:
    return Ragged(torch.ones(sum(lengths), WIDTH), lengths, ids)


def dropped(inputs: Ragged | Padded, layer: Dropout, seed: int = 0, step: int = 0) -> Any:
    with using(seed=seed, step=step):
        return unroll(layer, inputs).outputs


@pytest.mark.parametrize("elementwise", [False, True])
def test_masks_do_not_depend_on_neighbours_order_or_micro_batches(elementwise: bool) -> None:
    layer, inputs = Dropout(0.5, elementwise=elementwise), ones([3, 0, 5, 2], [40, 41, 42, 43])
    whole = dropped(inputs, layer)
    for rows in ([2], [3, 0], [1, 2, 0, 3]):
        part = dropped(inputs.select(rows), layer)
        assert torch.equal(part.values, whole.select(rows).values)


@pytest.mark.parametrize("elementwise", [False, True])
def test_masks_are_the_same_static_and_stepwise(elementwise: bool) -> None:
    layer, inputs = Dropout(0.5, elementwise=elementwise), ones([3, 0, 5, 2], [40, 41, 42, 43])
    whole = dropped(inputs, layer)
    assert torch.equal(Ragged.from_padded(dropped(inputs.to_padded(float("nan")), layer)).values, whole.values)
    with using(seed=0, step=0):
        state = layer.initial_state_for(inputs.select([2]))
    for row in whole.split()[2]:
        output, state = layer(torch.ones(1, WIDTH), state)
        assert torch.equal(output[0], row)


@pytest.mark.parametrize("elementwise", [False, True])
def test_masks_change_with_seed_step_id_and_layer(elementwise: bool) -> None:
    layer, other = Dropout(0.5, elementwise=elementwise), Dropout(0.5, elementwise=elementwise)
    number_layers(torch.nn.ModuleList([layer, other]))
    masks = [
        dropped(ones([4], [7]), layer),
        dropped(ones([4], [8]), layer),
        dropped(ones([4], [7]), layer, seed=1),
        dropped(ones([4], [7]), layer, step=1),
        dropped(ones([4], [7]), other),
    ]
    for number, mask in enumerate(masks):
        for another in masks[:number]:
            agreement = (mask.values == another.values).double().mean()
            assert 0.2 < agreement < 0.8
    assert torch.equal(dropped(ones([4], [7]), layer).values, masks[0].values)


def test_one_mask_a_sequence_by_default_and_one_a_step_elementwise() -> None:
    by_sequence = dropped(ones([6]), Dropout(0.5)).values
    assert torch.equal(by_sequence, by_sequence[:1].expand(6, -1))
    by_step = dropped(ones([6]), Dropout(0.5, elementwise=True)).values
    assert len(by_step.unique(dim=0)) == 6


@pytest.mark.parametrize("elementwise", [False, True])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_mean_is_kept_and_the_rate_is_what_was_asked_for(rate: float, elementwise: bool) -> None:
    outputs = dropped(ones([5] * 2000), Dropout(rate, elementwise=elementwise)).values
    draws = outputs.numel() if elementwise else outputs.numel() / 5
    share = (outputs == 0).double().mean()
    assert abs(share - rate) < 5 * (rate * (1 - rate) / draws) ** 0.5
    torch.testing.assert_close(outputs.max(), torch.tensor(1 / (1 - rate)))


def correlation(bits: Tensor, others: Tensor) -> Tensor:
    return (
        (bits.double() - bits.double().mean()) * (others.double() - others.double().mean())
    ).mean() / bits.double().var()


def test_draws_of_neighbouring_keys_positions_and_features_are_uncorrelated() -> None:
    n = 4096
    keys = torch.arange(n) * -7046029254386353131
    by_key = keep(Draws(keys, torch.zeros(n, dtype=torch.int64)), WIDTH, 0.5)
    by_position = keep(Draws(torch.full((n,), 12345), torch.arange(n)), WIDTH, 0.5)
    for bits in (by_key, by_position):
        limit = 5 / bits.numel() ** 0.5
        assert abs(bits.double().mean() - 0.5) < limit
        assert (bits.double().mean(0) - 0.5).abs().max() < 5 * 0.5 / n**0.5
        for lag in (1, 2, 16):
            assert abs(correlation(bits[lag:], bits[:-lag])) < 2 * limit
            assert abs(correlation(bits[:, lag:], bits[:, :-lag])) < 2 * limit
    assert abs(correlation(by_key, by_position)) < 5 / by_key.numel() ** 0.5


def test_evaluation_needs_no_seed_and_changes_nothing() -> None:
    inputs = ones([3, 2])
    assert torch.equal(unroll(Dropout(0.5).eval(), inputs).outputs.values, inputs.values)
    assert torch.equal(unroll(Dropout(0.0), inputs).outputs.values, inputs.values)


def test_a_mask_goes_on_where_a_sequence_is_cut() -> None:
    for layer in (Dropout(0.5), Dropout(0.5, elementwise=True), Zoneout(cells.GRU(WIDTH, WIDTH), 0.5)):
        inputs = ones([6, 1, 9])
        with using(seed=0, step=0):
            whole = unroll(layer, inputs).outputs
            first, state = unroll(layer, inputs.steps(0, 4))
        second = unroll(layer, inputs.steps(4, 9), detach(state)).outputs
        torch.testing.assert_close(Ragged.join([first, second]).values, whole.values)


def test_zoneout_keeps_the_old_value_where_drawn_and_the_new_elsewhere() -> None:
    torch.manual_seed(0)
    cell = cells.LSTM(WIDTH, WIDTH)
    zoneout = Zoneout(cell, {"hidden": 0.25, "memory": 0.5})
    with using(seed=3, step=1):
        state = zoneout.initial_state(2000)
    state = state._replace(cell=cells.LSTMState(torch.randn(2000, WIDTH), torch.randn(2000, WIDTH)))
    x = torch.randn(2000, WIDTH)
    _, plain = cell(x, state.cell)
    _, mixed = zoneout(x, state)
    for field, rate in (("hidden", 0.25), ("memory", 0.5)):
        old, new, got = (getattr(s, field) for s in (state.cell, plain, mixed.cell))
        assert torch.equal(torch.where(got == old, old, new), got)
        assert abs((got == old).double().mean() - rate) < 0.01
    kept = [mixed.cell.hidden == state.cell.hidden, mixed.cell.memory == state.cell.memory]
    assert abs(correlation(*kept)) < 0.02
    _, expected = zoneout.eval()(x, state)
    torch.testing.assert_close(expected.cell.memory, 0.5 * state.cell.memory + 0.5 * plain.memory)
    torch.testing.assert_close(expected.cell.hidden, 0.25 * state.cell.hidden + 0.75 * plain.hidden)


def test_layers_of_one_model_draw_different_masks() -> None:
    def stack() -> Stack:
        return Stack(Dropout(0.5), cells.GRU(3, 3), Dropout(0.5))

    model = Layers(stack(), Bidirectional(stack(), Zoneout(cells.GRU(3, 3), 0.1)))
    numbers = [part.layer for part in model.modules() if hasattr(part, "layer")]
    assert sorted(numbers) == list(range(5))


def test_the_global_generator_is_neither_read_nor_advanced() -> None:
    layer, inputs = Dropout(0.5, elementwise=True), ones([4])
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = dropped(inputs, layer).values
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(dropped(inputs, layer).values, first)
