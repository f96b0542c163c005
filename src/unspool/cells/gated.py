"""`GatedCell`: a recurrence written as one function of its gates."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unspool.cells.base import Cell, Step
from unspool.cells.projection import RecurrentMap
from unspool.cells.stepper import GatedStepper, Product, offers
from unspool.errors import CellError, StateError
from unspool.state import State, described, exportable


class Gates(Protocol):
    """Pre-activations by the name of their gate, each (batch, width)."""

    def __getattr__(self, gate: str) -> Tensor: ...

    def __iter__(self) -> Iterator[Tensor]: ...


class HiddenState(NamedTuple):
    """The state of a cell that remembers only what it puts out. hidden: (batch, hidden_size)."""

    hidden: Tensor


class GatedCell(Cell):
    """A recurrence that an engine can fuse: linear maps of input and hidden state, then one function of the gates.

    A subclass names its gates, in the order of the rows of its weights, and its state, whose first field is the output
    and what `weight_hidden` reads; and it defines `update`. Steps, both unrolls, steppers and every engine derive
    from that one function.

        from_input = weight_input x + bias_input
        from_hidden = weight_hidden hidden + bias_hidden
        state = update(from_input, from_hidden, state)

    Args:
        input_size: features of an input step.
        hidden_size: the width of every gate and field that `widths` does not name.
        widths: other widths, by the name of a gate or a field.
        bias: whether the two linear maps add biases.

    Raises:
        CellError: the class declares no gates or no state, or `update` returns something else than its state.

    Example:
        >>> class MGU(GatedCell):
        ...     "Minimal gated unit (Zhou et al., 2016)."
        ...     gates = ("forget", "candidate")
        ...     State = HiddenState
        ...     def update(self, from_input, from_hidden, state):
        ...         forget = torch.sigmoid(from_input.forget + from_hidden.forget)
        ...         candidate = torch.tanh(from_input.candidate + forget * from_hidden.candidate)
        ...         return HiddenState((1 - forget) * state.hidden + forget * candidate)
        >>> MGU(3, 5)
        MGU(3, 5)
    """

    gates: ClassVar[tuple[str, ...]]
    """The gates, in the order of the rows of `weight_input`."""
    hidden_gates: ClassVar[tuple[str, ...]]
    """The gates that `weight_hidden` feeds: all of them, unless the class says otherwise."""
    recurrent: ClassVar[bool] = True
    """Whether gates see the hidden state at all."""
    State: ClassVar[Any]
    """The state: a NamedTuple class."""
    initial_bias: ClassVar[Mapping[str, float]] = {}
    """Where a gate's bias starts, if not at zero."""

    input_size: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "forward" in cls.__dict__:
            raise CellError(
                f"`{cls.__name__}` must write its step as `update`, but defines `forward`, which no unroll asks"
            )
        if "gates" in cls.__dict__ and "hidden_gates" not in cls.__dict__:
            cls.hidden_gates = cls.gates if cls.recurrent else ()
        if "State" in cls.__dict__:
            if not hasattr(cls.State, "_fields"):
                raise CellError(f"`State` of `{cls.__name__}` must be a NamedTuple class, but is {cls.State!r}")
            exportable(cls.State)
        if hasattr(cls, "gates"):
            _check_names(cls)
            cls._from_input = namedtuple("FromInput", cls.gates)  # type: ignore[misc]
            cls._from_hidden = namedtuple("FromHidden", cls.hidden_gates)  # type: ignore[misc]

    _from_input: ClassVar[Any]
    _from_hidden: ClassVar[Any]

    def __init__(
        self, input_size: int, hidden_size: int, *, widths: Mapping[str, int] | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        if not hasattr(self, "gates") or not hasattr(self, "State"):
            raise CellError(
                f"`{type(self).__name__}` must name its `gates` and its `State`, as in "
                '`gates = ("forget", "candidate")` and `State = HiddenState`'
            )
        if input_size < 1 or hidden_size < 1:
            raise CellError(
                f"`input_size` and `hidden_size` must be at least 1, but are {input_size} and {hidden_size}"
            )
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        names = dict.fromkeys((*self.gates, *self.State._fields), hidden_size)
        self.widths: dict[str, int] = {**names, **(widths or {})}
        if unknown := self.widths.keys() - names.keys():
            raise CellError(f"`widths` must name gates or fields of {list(names)}, but names {sorted(unknown)}")
        self.output_size = self.widths[self.State._fields[0]]
        self._build()
        self.reset_parameters()

    def _build(self) -> None:
        """Make the weights. A cell with other projections overrides this with them."""
        rows_input = sum(self.widths[gate] for gate in self.gates)
        rows_hidden = sum(self.widths[gate] for gate in self.hidden_gates)
        self.weight_input = nn.Parameter(torch.empty(rows_input, self.input_size))
        self.bias_input = nn.Parameter(torch.empty(rows_input)) if self.bias else None
        self.weight_hidden = nn.Parameter(torch.empty(rows_hidden, self.output_size)) if rows_hidden else None
        self.bias_hidden = nn.Parameter(torch.empty(rows_hidden)) if rows_hidden and self.bias else None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Gate by gate: input weights uniform (Glorot & Bengio, 2010), recurrent weights orthogonal (Saxe et al.,
        2014), biases zero but for `initial_bias` (a forget gate's is 1: Gers et al., 2000; Jozefowicz et al., 2015)."""
        for block in self._by_gate(self.weight_input, 0, self.gates):
            nn.init.xavier_uniform_(block)
        if self.weight_hidden is not None:
            for block in self._by_gate(self.weight_hidden, 0, self.hidden_gates):
                nn.init.orthogonal_(block)
        if self.bias_input is not None:
            for gate, block in zip(self.gates, self._by_gate(self.bias_input, 0, self.gates), strict=True):
                block.fill_(self.initial_bias.get(gate, 0.0))
        if self.bias_hidden is not None:
            self.bias_hidden.zero_()
        for part in self.children():
            if isinstance(part, (RecurrentMap, nn.LayerNorm)):
                part.reset_parameters()

    def _by_gate(self, tensor: Tensor, dim: int, gates: tuple[str, ...]) -> tuple[Tensor, ...]:
        return tuple(tensor.split([self.widths[gate] for gate in gates], dim))

    def update(self, from_input: Gates, from_hidden: Gates, state: Any) -> Any:
        """New state from the gates' pre-activations.

        Elementwise operations, reductions within a row, and linear maps that the cell declares; nothing that mixes
        rows. What it returns must not depend on anything else but parameters.

        Args:
            from_input: (batch, width) by gate, of the input.
            from_hidden: (batch, width) by gate of `hidden_gates`, of the hidden state.
            state: the old state.

        Returns:
            The new state: (batch, width) by field.
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `update`")

    def project_input(self, x: Tensor) -> Tensor:
        """The input's part of all gates. (n, input_size) -> (n, sum of the gates' widths)"""
        return F.linear(x, self.weight_input, self.bias_input)

    def project_hidden(self, hidden: Tensor) -> Tensor:
        """The hidden state's part of `hidden_gates`. (n, output_size) -> (n, sum of their widths)"""
        assert self.weight_hidden is not None
        return F.linear(hidden, self.weight_hidden, self.bias_hidden)

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Zeros, (batch_size, width) by field, where and as the weights are unless said otherwise."""
        like = self.weight_input
        device, dtype = device or like.device, dtype or like.dtype
        fields = (torch.zeros(batch_size, self.widths[name], device=device, dtype=dtype) for name in self.State._fields)
        return self.State(*fields)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step. x: (batch, input_size) -> (batch, output_size), and the new state"""
        return self.advance(self.project_input(x), state)

    def advance(self, from_input: Tensor, state: State) -> tuple[Tensor, State]:
        from_hidden = self.project_hidden(state[0]) if self.hidden_gates else None
        return self.updated(from_input, from_hidden, state)

    def updated(self, from_input: Tensor, from_hidden: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Output and new state from both projections: `update` with the gates taken apart."""
        into = self._from_input(*self._by_gate(from_input, 1, self.gates))
        back = None
        if from_hidden is not None:
            back = self._from_hidden(*self._by_gate(from_hidden, 1, self.hidden_gates))
        new = self.update(into, back, state)  # type: ignore[arg-type]
        self.check_new(new)
        return new[0], new

    def check_new(self, new: object) -> None:
        """Raise a `CellError` if what `update` returned is not the cell's `State`."""
        if not isinstance(new, self.State):
            raise CellError(
                f"`{type(self).__name__}.update` must return its `State`, a {self.State.__name__}, "
                f"but returned {type(new).__name__}"
            )

    def stepper(self, batch_size: int) -> Step:
        plain = all(
            getattr(type(self), name) is getattr(GatedCell, name)
            for name in ("project_input", "project_hidden", "advance", "forward")
        )
        if not plain:
            return super().stepper(batch_size)
        for offer in offers:
            if (found := offer(self, batch_size)) is not None:
                return found
        weight = self.weight_hidden
        from_hidden = None if weight is None else Product(weight, self.bias_hidden, batch_size)
        return GatedStepper(Product(self.weight_input, self.bias_input, batch_size), from_hidden, self.updated)

    def takes(self, features: Sequence[int]) -> bool:
        usual = type(self).project_input is GatedCell.project_input  # of vectors
        return super().takes(features) and (len(features) == 1 or not usual)

    def check_state(self, state: State) -> None:
        if getattr(state, "_fields", None) != self.State._fields:
            wanted = f"{self.State.__name__}({', '.join(self.State._fields)})"
            raise StateError(f"`state` of `{self}` must be {wanted}, but is {described(state)}")
        for name, leaf in zip(self.State._fields, state, strict=True):
            if leaf.dim() < 2 or leaf.shape[1] != self.widths[name]:
                raise StateError(
                    f"`{name}` in the state of `{self}` must be (batch, {self.widths[name]}), "
                    f"but is {tuple(leaf.shape)}"
                )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size})"


_BEGINNING = ("initial_state", "initial_state_for", "over_time")
_start_of = attrgetter(*_BEGINNING)


def starts_at_zero(cell: Cell) -> bool:
    """Whether a cell, not told where, starts at the zeros of every gated cell: neither its class nor it has a beginning
    of its own."""
    usual = isinstance(cell, GatedCell) and _start_of(type(cell)) == _start_of(GatedCell)
    return usual and cell.__dict__.keys().isdisjoint(_BEGINNING)


def _check_names(cell: type[GatedCell]) -> None:
    """Raise a `CellError` where the gates that a class names can't be."""
    for what in ("gates", "hidden_gates"):
        names = getattr(cell, what)
        if not isinstance(names, tuple) or len(set(names)) < len(names) or not all(map(str.isidentifier, names)):
            raise CellError(
                f"`{what}` of `{cell.__name__}` must be a tuple of different names, as in "
                f'`("forget", "candidate")`, but is {names!r}'
            )
    if unknown := set(cell.hidden_gates) - set(cell.gates):
        raise CellError(
            f"`hidden_gates` of `{cell.__name__}` must be among its gates {list(cell.gates)}, "
            f"but names {sorted(unknown)}"
        )
