"""A state is a value: select its rows, join two, detach it, convert it, save it and load it, whatever its structure."""

from collections import namedtuple
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unspool import Padded, Ragged, state
from unspool.errors import StateError

drawn = settings(deadline=None, derandomize=True, max_examples=40)


class Carry(NamedTuple):
    hidden: Tensor
    memory: Tensor


class Outer(NamedTuple):
    carry: Carry
    seen: Ragged


def rows(batch: int, *features: int, start: float = 0.0) -> Tensor:
    """Row `i` holds `i` everywhere, plus `start`."""
    return (torch.arange(batch, dtype=torch.float64) + start).reshape(-1, *[1] * len(features)).expand(batch, *features)


def seen(batch: int, start: float = 0.0) -> Ragged:
    """Row `i` is a sequence of `i % 3` steps that hold `i`, plus `start`."""
    lengths = torch.arange(batch) % 3
    values = rows(batch, start=start).repeat_interleave(lengths).unsqueeze(1)
    return Ragged(values, lengths, torch.arange(batch) + 10 + int(start))


STRUCTURES = {
    "tensor": lambda n, at=0.0: rows(n, 2, start=at),
    "Ragged": lambda n, at=0.0: seen(n, at),
    "NamedTuple": lambda n, at=0.0: Carry(rows(n, 2, start=at), rows(n, 3, start=at)),
    "nested NamedTuple": lambda n, at=0.0: Outer(Carry(rows(n, 2, start=at), rows(n, start=at)), seen(n, at)),
    "tuple": lambda n, at=0.0: (rows(n, 2, 2, start=at), (rows(n, start=at), ())),
    "list": lambda n, at=0.0: [rows(n, 1, start=at), None, [seen(n, at)]],
    "dict": lambda n, at=0.0: {"top": {"x": rows(n, 2, start=at)}, "bottom": (seen(n, at), None)},
}
every_structure = pytest.mark.parametrize("make", STRUCTURES.values(), ids=STRUCTURES)


def flat(value: state.State) -> list[Tensor]:
    """Every tensor of a state, those of a `Ragged` one by one."""
    leaves = [leaf for _, leaf in state.leaves(value)]
    return [
        t for leaf in leaves for t in ((leaf.values, leaf.lengths, leaf.ids) if isinstance(leaf, Ragged) else [leaf])
    ]


def kind(value: Any) -> Any:
    """A state's structure: its types and names, without its numbers."""
    if isinstance(value, dict):
        return {key: kind(part) for key, part in value.items()}
    return (type(value), [kind(part) for part in value]) if isinstance(value, (tuple, list)) else type(value)


def assert_same(one: state.State, other: state.State) -> None:
    assert kind(one) == kind(other)
    for ours, theirs in zip(flat(one), flat(other), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def row_by_row(leaf: state.Leaf) -> list[list[Any]]:
    """One entry a row: what a selection must keep together."""
    if isinstance(leaf, Ragged):
        return [[part.tolist(), row] for part, row in zip(leaf.split(), leaf.ids.tolist(), strict=True)]
    return leaf.tolist()


class TestLeaves:
    def test_they_are_named_by_the_way_to_them(self):
        value = {"top": Outer(Carry(rows(2), rows(2)), seen(2)), "rest": [rows(2), None, (rows(2),)]}
        names = [name for name, _ in state.leaves(value)]
        assert names == [
            "state.top.carry.hidden",
            "state.top.carry.memory",
            "state.top.seen",
            "state.rest.0",
            "state.rest.2.0",
        ]


class TestBatchSize:
    @every_structure
    def test_leaves_of_the_batch_size_pass(self, make):
        state.check_batch_size(make(4), 4)

    def test_a_leaf_of_another_batch_size_is_named(self):
        with pytest.raises(StateError) as error:
            state.check_batch_size({"top": Outer(Carry(rows(4, 2), rows(4)), seen(3))}, 4)
        assert str(error.value) == (
            "`state` must have the batch size of `inputs` (4), but `state.top.seen` has 3; "
            "`unspool.state.select` takes the rows you want"
        )

    @pytest.mark.parametrize("value", [None, (), {}, [None, ()]])
    def test_a_state_without_a_leaf_fits_every_batch(self, value):
        state.check_batch_size(value, 4)


class TestSelect:
    @every_structure
    @drawn
    @given(picked=st.lists(st.integers(0, 4), max_size=7))
    def test_it_takes_the_rows_named_of_every_leaf(self, make, picked):
        value = make(5)
        for named in (picked, torch.tensor(picked, dtype=torch.int64)):
            chosen = state.select(value, named)
            assert kind(chosen) == kind(value)
            for (_, ours), (_, whole) in zip(state.leaves(chosen), state.leaves(value), strict=True):
                assert row_by_row(ours) == [row_by_row(whole)[row] for row in picked]

    @every_structure
    @drawn
    @given(mask=st.lists(st.booleans(), min_size=5, max_size=5))
    def test_a_mask_keeps_the_order(self, make, mask):
        kept = [row for row, yes in enumerate(mask) if yes]
        for named in (mask, torch.tensor(mask)):
            assert_same(state.select(make(5), named), state.select(make(5), kept))

    @every_structure
    @pytest.mark.parametrize("rows", [slice(1, 4), slice(None), slice(-2, None), slice(4, 1), slice(None, None, 2)])
    def test_a_slice_is_the_rows_it_spans(self, make, rows):
        assert_same(state.select(make(5), rows), state.select(make(5), list(range(5))[rows]))

    def test_a_negative_index_counts_from_the_end_in_every_leaf(self):
        value = (rows(5, 2), seen(5))
        assert_same(state.select(value, [-1, 0]), state.select(value, [4, 0]))

    def test_a_mask_of_another_batch_is_refused(self):
        with pytest.raises((StateError, ValueError, IndexError)):
            state.select((rows(5, 2), seen(5)), [True, False])


class TestConcat:
    @every_structure
    def test_it_is_the_rows_of_all(self, make):
        joined = state.concat([make(2), make(0), make(3, 50.0)])
        assert kind(joined) == kind(make(2))
        parts = zip(*(state.leaves(value) for value in (make(2), make(3, 50.0))), strict=True)
        for (_, ours), ((_, first), (_, second)) in zip(state.leaves(joined), parts, strict=True):
            assert row_by_row(ours) == row_by_row(first) + row_by_row(second)

    @every_structure
    def test_select_undoes_it(self, make):
        joined = state.concat([make(2), make(3, 50.0)])
        assert_same(state.select(joined, slice(0, 2)), make(2))
        assert_same(state.select(joined, slice(2, 5)), make(3, 50.0))

    @every_structure
    def test_one_alone_is_itself(self, make):
        assert_same(state.concat([make(3)]), make(3))

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"a": rows(2)}, {"a": rows(2), "b": rows(2)}),
            ({"a": rows(2), "b": rows(2)}, {"a": rows(2)}),
            ((rows(2),), (rows(2), rows(2))),
            (None, rows(2)),
            ((rows(2), None), (rows(2), rows(2))),
            (rows(2), None),
            (rows(2), seen(2)),
        ],
        ids=[
            "more keys",
            "fewer keys",
            "more parts",
            "nothing first",
            "nothing inside",
            "nothing last",
            "another leaf",
        ],
    )
    def test_states_of_different_structure_are_refused(self, first, second):
        with pytest.raises(StateError):
            state.concat([first, second])


class TestDetach:
    @every_structure
    def test_no_leaf_keeps_its_history(self, make):
        value = state.map_leaves(
            lambda leaf: leaf.map(with_history) if isinstance(leaf, Ragged) else with_history(leaf), make(4)
        )
        assert all(tensor.grad_fn is not None for tensor in flat(value) if tensor.is_floating_point())
        detached = state.detach(value)
        assert not any(tensor.requires_grad for tensor in flat(detached))
        assert_same(detached, make(4))


def with_history(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_() * 1


class TestTo:
    @every_structure
    def test_floating_leaves_change_and_others_do_not(self, make):
        moved = state.to((make(4), torch.arange(4), torch.ones(4, dtype=torch.bool)), dtype=torch.float32)
        assert kind(moved[0]) == kind(make(4))
        floating = [tensor.dtype for tensor in flat(moved[0]) if tensor.is_floating_point()]
        assert set(floating) == {torch.float32}
        assert [tensor.dtype for tensor in moved[1:]] == [torch.int64, torch.bool]

    def test_whole_numbers_in_a_ragged_leaf_stay_whole(self):
        tokens = Ragged(torch.arange(3), [1, 2])
        assert state.to((tokens,), dtype=torch.float32)[0].values.dtype == torch.int64

    @every_structure
    def test_every_leaf_moves_to_a_device(self, make):
        moved = state.to(make(4), "meta")
        for _, leaf in state.leaves(moved):
            assert leaf.device.type == "meta"
            assert not isinstance(leaf, Ragged) or leaf.lengths.device.type == "cpu"

    @every_structure
    def test_told_nothing_it_is_the_state(self, make):
        assert_same(state.to(make(3)), make(3))


class TestFile:
    @every_structure
    def test_what_was_saved_is_loaded(self, make, tmp_path):
        state.save(make(4), tmp_path / "state")
        assert_same(state.load(tmp_path / "state", like=make(4)), make(4))

    @every_structure
    def test_the_batch_comes_from_the_file(self, make, tmp_path):
        state.save(make(4), str(tmp_path / "state"))
        assert_same(state.load(str(tmp_path / "state"), like=make(0)), make(4))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
    def test_the_dtype_comes_from_the_file(self, dtype, tmp_path):
        state.save((torch.ones(2, 3).to(dtype),), tmp_path / "state")
        assert_same(state.load(tmp_path / "state", like=(torch.zeros(0, 3),)), (torch.ones(2, 3).to(dtype),))

    @pytest.mark.parametrize(
        "view",
        [
            torch.arange(12.0).reshape(4, 3)[1:3],
            torch.arange(12.0).reshape(3, 4).t()[:2],
            torch.zeros(1, 3).expand(2, 3),
        ],
        ids=["rows", "transposed", "expanded"],
    )
    def test_a_view_is_saved_as_what_it_shows(self, view, tmp_path):
        state.save(view, tmp_path / "state")
        assert_same(state.load(tmp_path / "state", like=torch.zeros(0, 3)), view)

    def test_one_tensor_may_be_two_leaves(self, tmp_path):
        same = rows(2, 3)
        state.save(Carry(same, same), tmp_path / "state")
        assert_same(state.load(tmp_path / "state", like=Carry(rows(0, 3), rows(0, 3))), Carry(same, same))

    def test_history_is_not_saved(self, tmp_path):
        state.save(rows(2, 3).clone().requires_grad_(), tmp_path / "state")
        assert not state.load(tmp_path / "state", like=rows(0, 3)).requires_grad

    def test_a_slice_of_a_ragged_leaf_is_saved_alone(self, tmp_path):
        value = state.select(Outer(Carry(rows(5, 2), rows(5)), seen(5)), slice(2, 4))
        state.save(value, tmp_path / "state")
        assert_same(state.load(tmp_path / "state", like=value), value)

    def test_numbers_come_to_the_device_of_like(self, tmp_path):
        state.save(rows(2, 3), tmp_path / "state")
        assert state.load(tmp_path / "state", like=torch.zeros(0, 3, device="meta")).device.type == "meta"

    def test_another_structure_is_refused(self, tmp_path):
        path = tmp_path / "state"
        state.save(Carry(rows(2, 3), rows(2, 3)), path)
        with pytest.raises(StateError) as error:
            state.load(path, like=(rows(0, 3), seen(0)))
        assert str(error.value) == (
            f"`{path}` must hold ['state.0', 'state.1.ids', 'state.1.lengths', 'state.1.values'] for this state, "
            "but holds ['state.hidden', 'state.memory']; make `like` with the cell that the state was saved from"
        )

    def test_another_width_is_refused(self, tmp_path):
        state.save(Carry(rows(2, 3), rows(2, 4, 5)), tmp_path / "state")
        with pytest.raises(StateError) as error:
            state.load(tmp_path / "state", like=Carry(rows(0, 3), rows(0, 4, 6)))
        assert str(error.value) == "`state.memory` must be (batch, 4, 6) for this cell, but the file holds (2, 4, 5)"

    def test_another_width_of_a_ragged_leaf_is_refused(self, tmp_path):
        state.save(Ragged(torch.zeros(5, 2), [3, 2]), tmp_path / "state")
        with pytest.raises(StateError) as error:
            state.load(tmp_path / "state", like=Ragged(torch.zeros(0, 3), []))
        assert str(error.value) == "`state` must be (batch, 3) for this cell, but the file holds (5, 2)"

    @pytest.mark.parametrize("value", [{"a.b": rows(1), "a": {"b": rows(1)}}, {1: rows(1), "1": rows(1)}])
    def test_two_leaves_of_one_name_are_refused(self, value, tmp_path):
        with pytest.raises(StateError):
            state.save(value, tmp_path / "state")


VERBS = {
    "leaves": lambda value, path: list(state.leaves(value)),
    "check_batch_size": lambda value, path: state.check_batch_size(value, 2),
    "save": lambda value, path: state.save(value, path),
    "select": lambda value, path: state.select(value, [0]),
    "slice": lambda value, path: state.select(value, slice(0, 1)),
    "concat": lambda value, path: state.concat([value, value]),
    "detach": lambda value, path: state.detach(value),
    "to": lambda value, path: state.to(value, dtype=torch.float32),
}
Pair = namedtuple("Pair", ["number", "hidden"])


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("leaf", [3.5, Padded(torch.zeros(2, 3), [3, 1])], ids=["number", "Padded"])
def test_a_leaf_that_is_no_state_is_refused_by_name(verb, leaf, tmp_path):
    with pytest.raises(StateError) as error:
        verb({"top": Pair(leaf, rows(2, 3))}, tmp_path / "state")
    assert str(error.value) == (
        "`state.top.number` must be a tensor, a `Ragged`, or a tuple, list or dict of them, "
        f"but is {type(leaf).__name__}"
    )
