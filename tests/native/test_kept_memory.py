"""Memory that is used again: never while something holds it, and never without end."""

import gc

import pytest
import torch
from native.naive import without_native
from torch import Tensor

from unspool import Ragged, cells, engine, unroll
from unspool.engine.native import memory

pytestmark = [without_native]


@pytest.fixture(autouse=True)
def blocks(monkeypatch: pytest.MonkeyPatch) -> memory._Blocks:
    """No memory kept yet."""
    made = memory._Blocks()
    monkeypatch.setattr(memory, "_blocks", made)
    return made


def kept(rows: int = 1024, width: int = 512) -> Tensor:
    return memory.kept(torch.empty(0), rows, width)


def test_what_nothing_holds_any_more_is_used_again() -> None:
    first = kept()
    place = first.data_ptr()
    del first
    assert kept().data_ptr() == place
    assert kept(1000).shape == (1000, 512)


def test_what_something_holds_is_not() -> None:
    first = kept().fill_(1.0)
    view = first[3]
    del first
    kept().fill_(2.0)
    assert view.eq(1.0).all()


def test_a_much_smaller_tensor_does_not_take_a_large_block() -> None:
    first = kept(8192)
    place = first.data_ptr()
    del first
    assert kept(1024).data_ptr() != place


def test_small_tensors_have_memory_of_their_own(blocks: memory._Blocks) -> None:
    assert kept(2, 3).shape == (2, 3)
    assert not blocks._free


def test_no_more_is_kept_than_a_bound(blocks: memory._Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory._Blocks, "MOST", 6 * 2**20)
    held = [kept(1024 + 512 * number) for number in range(4)]
    del held
    gc.collect()
    sizes = [len(block) for block in blocks._free.values()]
    assert sizes
    assert sum(sizes) <= 6 * 2**20


def test_gradients_of_two_batches_at_once_are_those_of_one_after_the_other(
    blocks: memory._Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory._Blocks, "LEAST", 2**16)
    torch.manual_seed(0)
    cell = cells.LSTM(16, 32)
    batches = [
        Ragged(torch.randn(int(lengths.sum()), 16), lengths) for lengths in torch.randint(20, 60, (3, 40)).unbind()
    ]

    def loss(batch: Ragged) -> Tensor:
        outputs: Ragged = unroll(cell, batch).outputs
        return outputs.values.square().sum()

    def gradients(total: Tensor) -> list[Tensor]:
        return [*torch.autograd.grad(total, list(cell.parameters()), retain_graph=True)]

    with engine.using("native"):
        alone = [gradients(loss(batch)) for batch in batches]
        assert blocks._free  # there is what could be used twice
        together = [loss(batch) for batch in batches]
        for total, expected in zip(reversed(together), reversed(alone), strict=True):
            for _ in range(2):  # a graph that is kept still has its numbers
                for found, right in zip(gradients(total), expected, strict=True):
                    assert torch.equal(found, right)


def test_outputs_and_gradients_are_not_touched_by_the_next_run() -> None:
    cell, lengths = cells.LSTM(512, 512), [300, 250]
    assert cell.weight_input.nbytes >= memory._Blocks.LEAST

    def found(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        x = torch.randn(sum(lengths), 512, requires_grad=True)
        outputs = unroll(cell, Ragged(x, lengths)).outputs.values
        return [outputs, *torch.autograd.grad(outputs.square().sum(), [x, *cell.parameters()])]

    first = found(0)
    copies = [tensor.clone() for tensor in first]
    found(1)
    assert all(tensor.equal(copy) for tensor, copy in zip(first, copies, strict=True))


@pytest.mark.parametrize("steps", [20, 3000])
def test_outputs_may_be_changed_in_place_and_detached_whatever_their_size(steps: int) -> None:
    cell, scale = cells.LSTM(8, 128), torch.ones(128, requires_grad=True)
    x = torch.randn(steps, 8, requires_grad=True)
    with torch.no_grad():
        outputs = unroll(cell, Ragged(x, [steps])).outputs.values
    kept_values = outputs.clone()
    assert not outputs._is_view()
    outputs.mul_(scale).sum().backward()
    torch.testing.assert_close(scale.grad, kept_values.sum(0))
    (to_x,) = torch.autograd.grad(unroll(cell, Ragged(x, [steps])).outputs.values.sum(), [x])
    assert to_x.detach_().shape == x.shape
    assert unroll(cell, Ragged(x, [steps])).outputs.values.detach_().shape == (steps, 128)


def test_a_block_larger_than_the_bound_does_not_drive_out_the_others(
    blocks: memory._Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory._Blocks, "MOST", 4 * 2**20)
    kept()
    held = set(blocks._free)
    assert held
    kept(2000)  # with the room to grow that a block has, above the bound
    kept(4096)
    assert set(blocks._free) == held
