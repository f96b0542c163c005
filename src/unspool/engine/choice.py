"""Which engine runs a cell over a ragged batch: asked, forced, recorded."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch.nn.utils import parametrize

from unspool.cells.base import Cell, empty_like_step
from unspool.cells.stepper import offers
from unspool.engine import handwritten, native, packed, rectangles, reference, scan
from unspool.errors import EngineError
from unspool.ragged import Ragged
from unspool.state import State, select


@dataclass(frozen=True)
class Engine:
    """One way to run a cell over a ragged batch.

    Fields:
        refusal: why it can't run this cell over these inputs, or None.
        run: outputs and final state from cell, inputs and state.
    """

    name: str
    refusal: Callable[[Cell, Ragged], str | None]
    run: Callable[[Cell, Ragged, State], tuple[Ragged, State]]


ENGINES = {
    name: Engine(name, module.refusal, module.run)
    for name, module in {
        "scan": scan,
        "native": native,
        "handwritten": handwritten,
        "packed": packed,
        "rectangles": rectangles,
        "reference": reference,
    }.items()
}

# cuDNN takes packed batches as they are; on the CPU the packed kernel is the slowest but the plain loop.
_PREFERENCE = {
    "cuda": ("scan", "packed", "reference"),
    "cpu": ("scan", "native", "handwritten", "rectangles", "reference"),
}

_forced: ContextVar[str | None] = ContextVar("unspool engine", default=None)
_recorded: ContextVar[list[str] | None] = ContextVar("unspool engines that ran", default=None)


@contextmanager
def using(name: str) -> Iterator[None]:
    """Within, every recurrence over a `Ragged` runs on this engine, or raises an `EngineError` if it can't.

    Args:
        name: "reference", "rectangles", "packed", "handwritten", "native" or "scan".

    Example:
        >>> import torch, unspool
        >>> cell, batch = unspool.cells.LSTM(3, 4), unspool.Ragged(torch.ones(5, 3), lengths=[2, 3])
        >>> with using("reference"), recording() as ran:
        ...     plain = unspool.unroll(cell, batch).outputs
        >>> ran
        ['reference']
    """
    if name not in ENGINES:
        nearest = difflib.get_close_matches(name, ENGINES, 1, 0)[0]
        raise EngineError(f"`{name}` is no engine; there are {', '.join(ENGINES)} (nearest: `{nearest}`)")
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def forced() -> str | None:
    """The engine that `using` names, or None."""
    return _forced.get()


@contextmanager
def recording() -> Iterator[list[str]]:
    """The names of the engines that ran within, one a recurrent layer, in a list that fills as they run."""
    names: list[str] = []
    token = _recorded.set(names)
    try:
        yield names
    finally:
        _recorded.reset(token)


def record(name: str) -> None:
    """Note that an engine ran."""
    names = _recorded.get()
    if names is not None:
        names.append(name)


def explain(cell: Cell, inputs: Ragged) -> dict[str, str | None]:
    """Every engine, with why it can't run this cell over these inputs, or None if it can."""
    return {name: engine.refusal(cell, inputs) for name, engine in ENGINES.items()}


def choose(cell: Cell, inputs: Ragged) -> str:
    """The name of the engine that runs this cell over these inputs: the forced one, or the fastest that can.

    Raises:
        EngineError: the forced one can't; or a cell of several, such as a `Stack`, for which there is no one engine.
    """
    if type(cell).over_time is not Cell.over_time:
        raise EngineError(
            f"`choose` asks for one recurrence, but `{type(cell).__name__}` runs its parts one by one; ask for a part, "
            "or see what ran: `with unspool.engine.recording() as ran:`"
        )
    forced = _forced.get()
    if forced is None:
        names = _PREFERENCE.get(inputs.device.type, ("reference",))
        return next(name for name in names if ENGINES[name].refusal(cell, inputs) is None)
    reason = ENGINES[forced].refusal(cell, inputs)
    if reason is not None:
        able = [name for name, refused in explain(cell, inputs).items() if refused is None]
        raise EngineError(f"engine `{forced}` can't run `{cell}`: {reason}; {' or '.join(f'`{a}`' for a in able)} can")
    return forced


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Run a cell over a ragged batch on the engine of `choose`; from zeros where the state is None."""
    name = choose(cell, inputs)
    record(name)
    nothing = inputs.layout.total == 0
    if state is None and (name != "native" or nothing):
        state = cell.initial_state_for(inputs)
    if nothing:
        return _no_step(cell, inputs, state), state
    with _weights_once(cell):
        return ENGINES[name].run(cell, inputs, state)


def _weights_once(cell: Cell) -> AbstractContextManager[None]:
    """Within, a weight under a parametrisation is computed once, not at every step."""
    return parametrize.cached() if cell._modules else nullcontext()


def run_both(ahead: Cell, back: Cell, inputs: Ragged, states: tuple[State, State]) -> tuple[Ragged, Any] | None:
    """One cell from the beginning and one from the end at once, where an engine can: outputs side by side and both
    final states. None where it can't, and the two run one after the other."""
    if inputs.layout.total == 0 or {choose(ahead, inputs), choose(back, inputs)} != {"native"}:
        return None
    with _weights_once(ahead), _weights_once(back):
        if native.refusal_of_both(ahead, back, inputs) is not None:
            return None
        record("native")
        record("native")
        return native.run_both(ahead, back, inputs, states)


def _no_step(cell: Cell, inputs: Ragged, state: State) -> Ragged:
    """The outputs of no step at all, still a function of the weights: a rank without work takes part in `backward`."""
    return inputs.with_values(empty_like_step(cell, cell.project_input(inputs.values), select(state, slice(0, 0))))


def _native_stepper(cell: Cell, batch_size: int) -> Any:
    """The native engine's, unless another is forced."""
    return native.stepper(cell, batch_size) if _forced.get() in (None, "native") else None


offers.append(_native_stepper)
