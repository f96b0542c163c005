"""What a function reads beside its arguments, as far as it has a gradient: a head's weights, a context."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from unspool.errors import BatchError

_Edge = tuple[int, int]


class Outside(TorchFunctionMode):
    """Within, remembers every tensor that is read and was computed before with a history; `behind` then finds what
    results depend on."""

    def __init__(self) -> None:
        super().__init__()
        # Nodes of a graph are numbered as they are made.
        self._now: int = _edge(torch.zeros((), requires_grad=True).clone())[0]
        self._read: dict[_Edge, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for each in tree_leaves((args, kwargs)):
            if isinstance(each, Tensor) and each.grad_fn is not None and (edge := _edge(each))[0] < self._now:
                self._read[edge] = each
        return func(*args, **kwargs)

    def behind(self, results: Iterable[Tensor], known: Sequence[Tensor], ends: Sequence[Tensor] = ()) -> list[Tensor]:
        """The tensors from outside that results depend on, each once, but for those known; it is not looked for those
        behind `ends`."""
        seen = {id(tensor) for tensor in known}
        found: list[Tensor] = []
        nodes: set[Any] = {end.grad_fn for end in ends}
        waiting: list[tuple[Any, int]] = [(each.grad_fn, each.output_nr) for each in results if each.grad_fn]
        while waiting:
            node, number = waiting.pop()
            tensor = getattr(node, "variable", None)
            if tensor is None and node._sequence_nr() < self._now:
                tensor = self._tensor_of(node, number)
            if tensor is None:
                if node not in nodes:
                    nodes.add(node)
                    waiting += [edge for edge in node.next_functions if edge[0] is not None]
            elif id(tensor) not in seen:
                seen.add(id(tensor))
                found.append(tensor)
        return found

    def _tensor_of(self, node: Any, number: int) -> Tensor:
        try:
            return self._read[node._sequence_nr(), number]
        except KeyError as error:
            raise BatchError(
                "`each` must read tensors that have a history by functions of torch, so that their gradients are "
                f"known, but read the result of a {node.name()} unseen; hand it over as an input, or use no `memory`"
            ) from error


def _edge(tensor: Tensor) -> _Edge:
    assert tensor.grad_fn is not None
    return tensor.grad_fn._sequence_nr(), tensor.output_nr
