"""The compiled form of each cell, made when first asked for."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import nn

from unspool.cells.gated import GatedCell
from unspool.engine import torch_kernels
from unspool.engine.native import halves
from unspool.engine.native.calling import Native
from unspool.engine.native.compiler import NoCompiler, find_compiler
from unspool.engine.native.programs import program_of
from unspool.engine.tracing import Unknown
from unspool.errors import EngineWarning

_of_cell: weakref.WeakKeyDictionary[GatedCell, dict[Any, Native | str]] = weakref.WeakKeyDictionary()
_of_cells_alike: dict[Any, Native | str] = {}
_said: set[Any] = set()
_PLAIN = (bool, int, float, str, type(None))
_FUNCTIONS = (FunctionType, BuiltinFunctionType)
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_NEVER_ASKED = _OF_EVERY_MODULE - {"training"}


def compiled(cell: GatedCell) -> Native | str:
    """The native form of a cell, or why there is none; what is news to the user is said once."""
    forms = _of_cell.setdefault(cell, {})
    key = (
        type(cell).update,
        dtype_of(cell),
        tuple(cell.widths.items()),
        in_halves := _in_halves(cell),
        *_what_an_update_may_ask(cell),
    )
    if key not in forms:
        alike = _what_makes_cells_alike(cell)
        if alike is None:
            forms[key] = _compiled(cell, in_halves)
        elif (key, alike) in _of_cells_alike:
            forms[key] = _of_cells_alike[key, alike]
        else:
            forms[key] = _of_cells_alike[key, alike] = _compiled(cell, in_halves, (*key, *alike))
    return forms[key]


def _what_an_update_may_ask(cell: GatedCell) -> Iterator[Any]:
    """What a trace holds fast: plain attributes, functions, kinds of modules, and which tensors there are."""
    for module in cell.modules() if cell._modules else (cell,):
        plain, several, functions = [], [], []
        for name, value in list(module.__dict__.items()):  # another thread may add to it
            if name in _NEVER_ASKED:
                continue
            if isinstance(value, _PLAIN):
                plain.append((name, value))
            elif isinstance(value, (tuple, list)):
                if all(isinstance(item, _PLAIN) for item in value):
                    several.append((name, *value))
            elif isinstance(value, _FUNCTIONS):
                functions.append((name, weakref.ref(value)))
        yield tuple(plain), tuple(several), tuple(functions)
        shapes = [None if t is None else t.shape for t in (*module._parameters.values(), *module._buffers.values())]
        yield type(module), tuple(module._parameters), tuple(module._buffers), tuple(shapes)


def _what_makes_cells_alike(cell: GatedCell) -> Any:
    """What two cells must share, beside the above, to have one form; None for a cell that holds anything else."""
    found: list[Any] = [type(cell)]
    for name, module in cell.named_modules():
        found += [name, type(module), type(module).forward]
        tensors = (*module._parameters.items(), *module._buffers.items())
        found += [(name, None if t is None else (tuple(t.shape), t.dtype)) for name, t in tensors]
        for attribute, value in vars(module).items():
            if attribute in _OF_EVERY_MODULE:
                if "hooks" in attribute and value:
                    return None
            elif isinstance(value, tuple) and all(isinstance(item, _PLAIN) for item in value):
                found.append((attribute, value))
            elif not isinstance(value, _PLAIN) and not (module is cell and attribute == "widths"):
                return None
    return tuple(found)


def dtype_of(cell: GatedCell) -> torch.dtype:
    """Of its weights, without computing one that is under a parametrisation."""
    weight = cell._parameters.get("weight_input")
    return next(cell.parameters()).dtype if weight is None else weight.dtype


def _in_halves(cell: GatedCell) -> bool:
    """Whether products are of bfloat16 numbers: under autocast, where these are the faster ones."""
    asked = torch_kernels.autocast_dtype(torch.device("cpu")) is not None
    return asked and dtype_of(cell) == torch.float32 and halves.pay()


def _compiled(cell: GatedCell, in_halves: bool, identity: tuple[Any, ...] | None = None) -> Native | str:
    try:
        find_compiler()  # before what takes longer
        made = program_of(cell, identity)
        return Native(made.program, dtype_of(cell), made.widths, made.gates, made.hidden_gates, in_halves)
    except Unknown as error:
        _say_once((type(cell), str(error)), f"`{cell}` runs on a slower engine: {error}")
        return str(error)
    except NoCompiler as error:
        _say_once(str(error), f"recurrences run on slower engines than they could: {error}")
        return str(error)


def _say_once(news: Any, text: str) -> None:
    if news not in _said:
        _said.add(news)
        warnings.warn(text, EngineWarning, stacklevel=5)
