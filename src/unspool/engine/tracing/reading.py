"""A trace as the graph of a step."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.fx import GraphModule

from unspool.cells.gated import GatedCell
from unspool.engine.graph import BIAS_HIDDEN, WEIGHT_HIDDEN, Matrix, Node, StepGraph
from unspool.engine.tracing.reductions import Reductions
from unspool.engine.tracing.shapes import Shapes
from unspool.engine.tracing.values import Products, Rows, Same, Summed, Unknown, is_zero


class Reading(Reductions, Shapes):
    """Goes through the traced operations once."""

    def __init__(
        self, cell: GatedCell, rows: int, traced: GraphModule, parameters: list[str], buffers: list[str]
    ) -> None:
        super().__init__(cell, rows, traced)
        self.parameters, self.buffers = parameters, buffers

    def graph(self) -> StepGraph:  # noqa: C901 in the order in which the trace has them
        """Everything of one step."""
        cell = self.cell
        placeholders = iter([node for node in self.traced.graph.nodes if node.op == "placeholder"])
        matrices = set()
        for name in (*self.parameters, *self.buffers):
            shape, short = self._shape(node := next(placeholders)), name.removeprefix("cell.")
            if len(shape) == 2:
                matrices.add(short)
                self.values[node] = Same(None, shape, Matrix(short))
            elif len(shape) < 2:
                width = shape[0] if shape else 1
                self.values[node] = Same(self.make.make("parameter", width=width, data=(short, 0)), shape)
            else:
                self.values[node] = None  # a use of it is unknown
        for source, widths in self._given():
            offset = 0
            for width in widths:
                node = next(placeholders)
                self.values[node] = Rows(self._given_node(source, offset, width), (self.rows, width))
                offset += width
        for node in self.traced.graph.nodes:
            if node.op == "call_function":
                self.values[node] = self._operation(node)
            elif node.op == "get_attr":
                self.values[node] = self._held(getattr(self.traced, node.target))
        (result,) = (node for node in self.traced.graph.nodes if node.op == "output")
        outputs = iter([self.values[value] for value in result.args[0]])
        state = tuple(self._row(next(outputs)) for _ in cell.State._fields)
        gradients = {name.removeprefix("cell."): next(outputs) for name in self.parameters}
        to_input = self.make.cat([self._row(next(outputs)) for _ in cell.gates])
        to_hidden = self.make.cat([self._row(next(outputs)) for _ in cell.hidden_gates]) if cell.hidden_gates else None
        to_state = tuple(self._row(next(outputs)) for _ in cell.State._fields)
        for name, gradient in gradients.items():
            if not isinstance(gradient, (Summed, Products)) and not is_zero(gradient):
                raise Unknown(f"the gradient of its parameter `{name}` does not come from its rows")
        vectors = {n: g for n, g in gradients.items() if isinstance(g, Summed)}
        products = {n: g for n, g in gradients.items() if isinstance(g, Products)}
        return StepGraph(
            state,
            to_input,
            to_hidden,
            to_state,
            {name: self._spread(value) for name, value in vectors.items()},
            {name: [*value.pairs] for name, value in products.items()},
            tuple(cell.widths[name] for name in cell.State._fields),
            sum(cell.widths[gate] for gate in cell.gates),
            sum(cell.widths[gate] for gate in cell.hidden_gates),
        )

    def _given(self) -> list[tuple[str, list[int]]]:
        """The tensors of a step by source: one source's lie side by side in memory."""
        cell, fields = self.cell, self.cell.State._fields
        return [
            ("from_input", [cell.widths[gate] for gate in cell.gates]),
            ("from_hidden", [cell.widths[gate] for gate in cell.hidden_gates]),
            *((f"state.{i}", [cell.widths[name]]) for i, name in enumerate(fields)),
            *((f"gradient.{i}", [cell.widths[name]]) for i, name in enumerate(fields)),
        ]

    def _given_node(self, source: str, offset: int, width: int) -> Node:
        """What `weight_hidden` gives a gate is a linear map of the hidden state, and its bias."""
        if source != "from_hidden":
            return self.make.make("input", width=width, data=(source, offset))
        hidden = self.make.make("input", width=self.cell.output_size, data=("state.0", 0))
        product = self.make.make("linear", (hidden,), width, Matrix(WEIGHT_HIDDEN, offset))
        if self.cell.bias_hidden is None:
            return product
        bias = self.make.make("parameter", width=width, data=(BIAS_HIDDEN, offset))
        return self.make.elementwise("add", product, bias)

    def _held(self, tensor: Tensor) -> Same:
        """A tensor that the trace holds: a number is a constant, anything else was made outside of the parameters."""
        if tensor.numel() == 1:
            return Same(self.make.constant(float(tensor)), tuple(tensor.shape))
        raise Unknown("its `update` reads a tensor that is neither a parameter nor a buffer: register it as one")

    def _row(self, value: Any) -> Node:
        """What an output is for one row."""
        if isinstance(value, Rows) and len(value.shape) == 2:
            return self._wide(value.node, value.shape[1])
        if isinstance(value, Same) and value.node is not None:
            return self._wide(value.node, value.shape[-1])
        raise Unknown("its `update` returns what is not (batch, width)")
