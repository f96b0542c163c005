"""The way through a batch, forward and back, segment by segment."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from unspool.cells.base import Cell
from unspool.layout import Layout
from unspool.ragged import Ragged
from unspool.state import State, detach
from unspool.unrolling import budget
from unspool.unrolling.outside import Outside
from unspool.unrolling.pieces import Each, Whole, gathered
from unspool.unrolling.planning import cuts
from unspool.unrolling.schedule import Plan
from unspool.unrolling.slots import Slots


@dataclass(frozen=True)
class Tape:
    """A segment that was run with everything kept that its gradient reads.

    Fields:
        x: its steps.
        before: the tensors of the state at its beginning that can have a gradient.
        outputs: of the cell.
        results, shape: leaves and structure of its results.
        final: the state at its end.
    """

    x: Tensor
    before: list[Tensor]
    outputs: Tensor
    results: list[Any]
    shape: TreeSpec
    final: State

    @property
    def ends(self) -> list[Tensor]:
        """All that comes out of it and has a gradient."""
        return [values_of(leaf) for leaf in self.results if has_history(leaf)] + [
            leaf for leaf in floating(self.final) if leaf.requires_grad
        ]


class Journey:
    """A batch on its way through a cell, so that its gradient takes as much memory as a plan says.

    Args:
        whole: runs a cell over a batch from a state.
        cell, inputs, each: as of `unspool.unroll`.
        plan: how many segments, states and tapes.

    Fields:
        outside: the cell's parameters, and what else `each` and the cell read that has a gradient.
        differentiable: which leaves of the results have a gradient.
        joined: by leaf, the layout of results that are sequences.
    """

    def __init__(self, whole: Whole, cell: Cell, inputs: Ragged, each: Each | None, plan: Plan) -> None:
        self.whole, self.cell, self.each = whole, cell, each
        self.inputs, self.needs_x = inputs.map(Tensor.detach), inputs.values.requires_grad
        self.outside: list[Tensor] = [parameter for parameter in cell.parameters() if parameter.requires_grad]
        self.differentiable: list[int] = []
        bounds = cuts(inputs.layout, plan.segments)
        self.stretches = [slice(start, stop) for start, stop in pairwise(bounds)]
        self.plan = plan.cut_to(len(self.stretches))
        self.joined: dict[int, Layout] = {}
        self._first: State = None
        self._kept = Slots(self.plan.states - 1)  # by the segment that each begins
        self._tapes: dict[int, Tape] = {}
        # The engine that is forced, say, must be the same when a segment is run again.
        self._context = contextvars.copy_context()
        self._autocast = _autocast(inputs.device)

    def forward(self, state: State) -> tuple[Any, State]:
        """Run all segments; keep states and tapes as planned. Results and final state have no history."""
        stops, results = set(self.plan.on_the_way()), []
        self._first = state = detach(state)
        last = self.plan.segments - 1
        for number, stretch in enumerate(self.stretches):
            if number in stops:
                self._kept.keep(number, state)
            if number + self.plan.tapes > last:
                tape = self._tapes[number] = self._watched(stretch, state, is_last=number == last)
                result, state = _without_history(tape.results, tape.shape), detach(tape.final)
            else:
                outputs, state = self._run(stretch, state)
                result = outputs if self.each is None else self._reduced(outputs, stretch)
            results.append(result)
        together = Ragged.join(results) if self.each is None else gathered(results)
        self.joined = {n: leaf.layout for n, leaf in enumerate(flat(together)[0]) if isinstance(leaf, Ragged)}
        return together, state

    def _reduced(self, outputs: Ragged, stretch: slice) -> Any:
        """What `each` makes of outputs. It is watched, since what it reads has a gradient, too."""
        assert self.each is not None
        _forget_casts()
        with torch.enable_grad(), Outside() as outside:
            outputs = outputs.map(lambda values: values.detach().requires_grad_(values.is_floating_point()))
            results, shape = flat(self.each(outputs, stretch))
        self._note(results)
        self.outside += outside.behind(_tensors(results), [*self.outside, outputs.values])
        return _without_history(results, shape)

    def _watched(self, stretch: slice, state: State, *, is_last: bool) -> Tape:
        """A segment with its tape, the first time. What the cell reads is looked for in the last one alone."""
        with Outside() as outside:
            tape = self.taped(stretch, state)
        self._note(tape.results)
        known = [*self.outside, *tape.before, tape.x]
        if is_last:
            self.outside += outside.behind(tape.ends, known)
        else:
            self.outside += outside.behind(_tensors(tape.results), known, [tape.outputs])
        return tape

    def _note(self, results: list[Any]) -> None:
        there = {number for number, leaf in enumerate(results) if has_history(leaf)}
        self.differentiable = sorted(there.union(self.differentiable))

    def _run(self, stretch: slice, state: State) -> tuple[Ragged, State]:
        """One segment without a tape."""
        with torch.no_grad():
            return self._as_before(lambda: self.whole(self.cell, self._steps(stretch), state), taped=False)  # type: ignore[no-any-return]

    def taped(self, stretch: slice, state: State) -> Tape:
        """One segment with its tape."""
        leaves, shape = tree_flatten(state)
        leaves = [leaf.detach().requires_grad_() if is_floating(leaf) else leaf for leaf in leaves]
        state, before = tree_unflatten(leaves, shape), [leaf for leaf in leaves if is_floating(leaf)]
        steps = self._steps(stretch)
        steps = steps.with_values(steps.values.requires_grad_(self.needs_x))

        def run() -> Tape:
            outputs, final = self.whole(self.cell, steps, state)
            results, structure = flat(outputs if self.each is None else self.each(outputs, stretch))
            return Tape(steps.values, before, outputs.values, results, structure, final)

        _forget_casts()
        with torch.enable_grad():
            return self._as_before(run, taped=True)  # type: ignore[no-any-return]

    def _as_before(self, call: Callable[[], Any], *, taped: bool) -> Any:
        """What a call gives in the surroundings of the first time."""

        def inside() -> Any:
            # Weights that are cast without a tape must not be met by what has one.
            with self._autocast(cache_enabled=taped), budget.within(None):
                return call()

        return self._context.copy().run(inside)

    def _steps(self, stretch: slice) -> Ragged:
        return self.inputs.steps(stretch.start, stretch.stop)

    def back(self, given: Sequence[Tensor | None], flowing: Sequence[Tensor | None]) -> Gradients:
        """Run back through all segments.

        Args:
            given: the gradients of the results that have one; of sequences, of their values.
            flowing: those of the final state's tensors.
        """
        found = Gradients(torch.zeros_like(self.inputs.values) if self.needs_x else None, list(flowing), self.outside)
        shares = Shares(self.joined, self.differentiable, given)
        for number in reversed(range(self.plan.segments)):
            tape = self._tapes.pop(number, None)
            if tape is None:
                tape = self.taped(self.stretches[number], self._state(number))
            self._kept.drop(number)
            found.add(tape, shares.of(tape), self._places(number))
        return found

    def _places(self, number: int) -> Tensor | None:
        """Where the steps of a segment lie in the inputs, if they have a gradient."""
        stretch = self.stretches[number]
        return self.inputs.layout.between(stretch.start, stretch.stop)[1] if self.needs_x else None

    def _state(self, number: int) -> State:
        """The state at the beginning of a segment, run to from the last one that is kept."""
        first, state = 0, self._first
        if len(self._kept):
            first = self._kept.nearest()
            state = self._kept.read(first)
        stops = set(self.plan.on_the_way_back(first, number, 1 + len(self._kept)))
        for way in range(first, number):
            if way in stops:
                self._kept.keep(way, state)
            state = self._run(self.stretches[way], state)[1]
        return state


class Shares:
    """The gradients of results, taken apart into those of each segment, from the last to the first.

    Args:
        joined: by leaf, the layout of the sequences that were joined in time; None for numbers, which were added up.
        numbers: the leaves that have a gradient.
        given: it.
    """

    def __init__(self, joined: dict[int, Layout], numbers: list[int], given: Sequence[Tensor | None]) -> None:
        self._joined, self._given = joined, dict(zip(numbers, given, strict=True))
        self._until = {number: layout.lengths for number, layout in joined.items()}

    def of(self, tape: Tape) -> list[tuple[Tensor, Tensor]]:
        """The results of a segment that have a gradient, each with it."""
        found = []
        for number, leaf in enumerate(tape.results):
            gradient = self._given.get(number)
            if isinstance(leaf, Ragged):
                self._until[number] = start = self._until[number] - leaf.lengths
                if gradient is not None and leaf.values.requires_grad:
                    index = (self._joined[number].offsets[:-1] + start)[leaf.layout.rows] + leaf.layout.steps
                    found.append((leaf.values, gradient.index_select(0, index.to(gradient.device))))
            elif gradient is not None and has_history(leaf):
                found.append((leaf, gradient))
        return found


class Gradients:
    """What has flowed back so far.

    Fields:
        x: to the inputs, or None.
        state: to the tensors of the state at the beginning of the segment that was added last.
        outside: to what is outside.
    """

    def __init__(self, x: Tensor | None, state: list[Tensor | None], targets: list[Tensor]) -> None:
        self.x, self.state, self._targets = x, state, targets
        self.outside: list[Tensor | None] = [None] * len(targets)

    def add(self, tape: Tape, ends: list[tuple[Tensor, Tensor]], places: Tensor | None) -> None:
        """Go back through a segment.

        Args:
            ends: its results, each with its gradient.
            places: where its steps lie in the inputs; None where these have no gradient.
        """
        final = zip(floating(tape.final), self.state, strict=True)
        ends = [*ends, *((end, gradient) for end, gradient in final if gradient is not None and end.requires_grad)]
        self.state = [None] * len(tape.before)
        if not ends:
            return
        sources = [*tape.before, *self._targets, *([] if self.x is None else [tape.x])]
        outputs, gradients = zip(*ends, strict=True)
        found = torch.autograd.grad(outputs, sources, gradients, allow_unused=True)
        self.state = list(found[: len(tape.before)])
        for number, more in enumerate(found[len(tape.before) : len(tape.before) + len(self._targets)]):
            sofar = self.outside[number]
            if more is not None:
                self.outside[number] = more.clone() if sofar is None else sofar.add_(more)
        if self.x is not None and places is not None and found[-1] is not None:
            self.x.index_copy_(0, places.to(self.x.device), found[-1])


def flat(results: Any) -> tuple[list[Any], TreeSpec]:
    """Leaves and structure of results: tensors, sequences and numbers."""
    return tree_flatten(results, is_leaf=lambda part: isinstance(part, Ragged))


def values_of(leaf: Any) -> Any:
    return leaf.values if isinstance(leaf, Ragged) else leaf


def has_history(leaf: Any) -> bool:
    values = values_of(leaf)
    return isinstance(values, Tensor) and values.requires_grad


def is_floating(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def floating(state: State) -> list[Tensor]:
    """The tensors of a state that can have a gradient."""
    return [leaf for leaf in tree_leaves(state) if is_floating(leaf)]


def _tensors(results: list[Any]) -> list[Tensor]:
    return [values_of(leaf) for leaf in results if has_history(leaf)]


def _without_history(results: list[Any], shape: TreeSpec) -> Any:
    return tree_unflatten(
        [
            leaf.map(Tensor.detach) if isinstance(leaf, Ragged) else leaf.detach() if isinstance(leaf, Tensor) else leaf
            for leaf in results
        ],
        shape,
    )


def _forget_casts() -> None:
    """Have autocast cast weights anew: what it keeps has a history from before, which nothing shows that reads it."""
    torch.clear_autocast_cache()


def _autocast(device: torch.device) -> Callable[..., Any]:
    """`torch.autocast` as it is now."""
    kind = device.type
    if not torch.amp.is_autocast_available(kind):
        return lambda cache_enabled: nullcontext()
    dtype, enabled = torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)
    return partial(torch.autocast, kind, dtype=dtype, enabled=enabled)
