"""ATen's elementwise operations in those of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from unspool.engine.tracing.values import Unknown


def _scaled(args: Sequence[Any], options: dict[str, Any], op: str) -> tuple[Any, ...]:
    alpha = options.get("alpha", 1)
    return (op, args[0], args[1] if alpha == 1 else ("mul", args[1], float(alpha)))


def _power(args: Sequence[Any], options: dict[str, Any]) -> tuple[Any, ...]:
    x, n = args
    if not isinstance(n, (int, float)):
        return ("pow", x, n)
    if n == 2:
        return ("mul", x, x)
    if n == 1:
        return ("mul", x, 1.0)
    if n == 3:
        return ("mul", ("mul", x, x), x)
    if n == 0.5:
        return ("sqrt", x)
    if n == -1:
        return ("div", 1.0, x)
    return ("pow", x, float(n))


def _clamped(args: Sequence[Any], options: dict[str, Any]) -> tuple[Any, ...]:
    low, high = (args[1] if len(args) > 1 else options.get("min")), (args[2] if len(args) > 2 else options.get("max"))
    bounded: Any = args[0]
    if low is not None:
        bounded = ("maximum", bounded, low)
    return ("minimum", bounded, high) if high is not None else bounded


def _no_rounding() -> str:
    raise Unknown("its `update` uses `div` with rounding, which the engine does not know")


AS_ELEMENTWISE: dict[str, Callable[[Sequence[Any], dict[str, Any]], tuple[Any, ...]]] = {
    **{
        name: (lambda op: lambda args, options: (op, *args))(name)
        for name in (
            *("mul", "neg", "exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "tanh", "sin", "cos", "erf", "abs"),
            *("floor", "sign", "maximum", "minimum", "gt", "ge", "lt", "le", "eq", "ne", "where"),
        )
    },
    "add": lambda args, options: _scaled(args, options, "add"),
    "sub": lambda args, options: _scaled(args, options, "sub"),
    "div": lambda args, options: ("div" if options.get("rounding_mode") is None else _no_rounding(), *args),
    "rsub": lambda args, options: ("sub", args[1], args[0]),
    "reciprocal": lambda args, options: ("div", 1.0, args[0]),
    "rsqrt": lambda args, options: ("div", 1.0, ("sqrt", args[0])),
    "square": lambda args, options: ("mul", args[0], args[0]),
    "relu": lambda args, options: ("maximum", args[0], 0.0),
    "pow": _power,
    "clamp": _clamped,
    "clamp_min": lambda args, options: ("maximum", args[0], args[1]),
    "clamp_max": lambda args, options: ("minimum", args[0], args[1]),
    "logical_and": lambda args, options: ("mul", ("ne", args[0], 0.0), ("ne", args[1], 0.0)),
    "logical_or": lambda args, options: ("maximum", ("ne", args[0], 0.0), ("ne", args[1], 0.0)),
    "logical_not": lambda args, options: ("eq", args[0], 0.0),
    "bitwise_and": lambda args, options: ("mul", *args),
    "bitwise_or": lambda args, options: ("maximum", *args),
    "bitwise_not": lambda args, options: ("eq", args[0], 0.0),
    "threshold_backward": lambda args, options: ("where", ("le", args[1], args[2]), 0.0, args[0]),
}
"""By ATen's name: from arguments and options to an operation and its arguments, which may be such again."""
