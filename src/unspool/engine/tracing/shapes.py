"""Operations that change where numbers stand, or how often: parts, products, shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from unspool.engine.graph import Matrix
from unspool.engine.tracing.reader import Reader
from unspool.engine.tracing.values import Products, Rows, Same, Summed, Turned, Unknown


class Shapes(Reader):
    """Parts of rows and rows of parts, products with matrices, shapes that still are rows, and rows of one number."""

    def on_cat(self, values: Any, dim: int = 0) -> Any:
        if all(isinstance(value, Summed) for value in values):
            return Summed(self.make.cat([self._spread(value) for value in values]), self.shape)
        if any(not isinstance(value, (Rows, Same)) for value in values):
            raise Unknown("its `update` uses `cat` of a shape that the engine does not know")
        rows = any(isinstance(value, Rows) for value in values)
        if rows and dim % len(self.shape) == 0:
            raise Unknown("its `update` mixes rows in `cat`")
        if not rows and len(self.shape) > 1 and dim % len(self.shape) == 0:
            raise Unknown("its `update` uses `cat` of matrices")
        node = self.make.cat([self._wide(self._vector(value), value.shape[-1]) for value in values])
        return Rows(node, self.shape) if rows else Same(node, self.shape)

    def on_slice(self, value: Any, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Any:
        if not isinstance(value, (Rows, Same, Summed)) or step != 1:
            raise Unknown("its `update` uses `slice` of a shape or with a step that the engine does not know")
        size = value.shape[dim]
        start, stop, _ = slice(start, stop).indices(size)
        if (start, stop) == (0, size):
            return value
        if dim % len(value.shape) != len(value.shape) - 1 or (isinstance(value, Rows) and len(value.shape) == 1):
            raise Unknown("its `update` mixes rows in `slice`")
        node = value.node if isinstance(value, Summed) else self._vector(value)
        cut = self.make.slice(self._wide(node, size), start, stop)
        return type(value)(cut, (*value.shape[:-1], stop - start))

    def on_select(self, value: Any, dim: int, index: int) -> Any:
        index += value.shape[dim] * (index < 0)
        cut = self.on_slice(value, dim, index, index + 1)
        return type(cut)(cut.node if isinstance(cut, Summed) else self._vector(cut), self.shape)

    def on_split_with_sizes(self, value: Any, sizes: Sequence[int], dim: int = 0) -> Any:
        found, start = [], 0
        for size in sizes:
            found.append(self.on_slice(value, dim, start, start + size))
            start += size
        return tuple(found)

    def on_constant_pad_nd(self, value: Any, pad: Sequence[int], fill: float = 0.0) -> Any:
        if len(pad) != 2 or not isinstance(value, (Rows, Same, Summed)):
            raise Unknown("its `update` pads what is not a row")
        node = value.node if isinstance(value, Summed) else self._vector(value)
        sides = [self.make.constant(fill, width) for width in pad]
        row = self._wide(node, value.shape[-1])
        padded = self.make.cat([part for part in (sides[0], row, sides[1]) if part.width])
        return type(value)(padded, self.shape)

    def on_slice_scatter(
        self, into: Any, value: Any, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1
    ) -> Any:
        size = into.shape[dim]
        start, stop, _ = slice(start, stop).indices(size)
        if step != 1 or dim % len(into.shape) != len(into.shape) - 1 or not isinstance(into, (Rows, Same)):
            raise Unknown("its `update` uses `slice_scatter` of a shape that the engine does not know")
        around = self._wide(self._vector(into), size)
        row = value.node if isinstance(value, Summed) else self._vector(value)
        parts = [self._wide(row, stop - start)]
        if start:
            parts.insert(0, self.make.slice(around, 0, start))
        if stop < size:
            parts.append(self.make.slice(around, stop, size))
        kind = Summed if isinstance(value, Summed) else Rows if Rows in (type(into), type(value)) else Same
        return kind(self.make.cat(parts), self.shape)

    def on_select_backward(self, value: Any, shape: Sequence[int], dim: int, index: int) -> Any:
        if not isinstance(value, Rows) or len(shape) != 2 or dim % 2 != 1:
            raise Unknown("its `update` uses `select` of a shape that the engine does not know")
        index += shape[1] * (index < 0)
        zeros = [self.make.constant(0.0, width) for width in (index, shape[1] - index - 1)]
        return Rows(self.make.cat([part for part in (zeros[0], value.node, zeros[1]) if part.width]), tuple(shape))

    def on_permute(self, value: Any, dims: Sequence[int]) -> Any:
        if [*dims] == [*range(len(dims))]:
            return value
        if isinstance(value, Turned):
            return value.rows
        if isinstance(value, Products):
            return value.turned()
        if isinstance(value, Rows) and len(value.shape) == 2:
            return Turned(value)
        if isinstance(value, Same) and value.matrix is not None:
            matrix = Matrix(value.matrix.name, 0, not value.matrix.transposed)
            return Same(None, self.shape, matrix)
        raise Unknown("its `update` uses `permute` of a shape that the engine does not know")

    def on_mm(self, left: Any, right: Any) -> Any:
        if isinstance(left, Turned) and isinstance(right, Rows):
            return Products(((left.rows.node, right.node),), self.shape)
        if isinstance(left, Rows) and isinstance(right, Same) and right.matrix is not None:
            # `x @ M` sums over the rows of M, `x @ M.T` over its columns, which is what a linear map does.
            matrix = Matrix(right.matrix.name, 0, not right.matrix.transposed)
            return Rows(
                self.make.make("linear", (self._wide(left.node, left.shape[1]),), self.shape[1], matrix), self.shape
            )
        raise Unknown("its `update` uses a product of what is not a row and a matrix parameter")

    def on_view(self, value: Any, shape: Sequence[int]) -> Any:
        """The same numbers in a shape that still is rows."""
        new = self.shape
        if isinstance(value, (Products,)) or (isinstance(value, Same) and value.matrix is not None):
            if new == value.shape:
                return value
            if isinstance(value, Same) and value.shape[0] == 1 and value.matrix and not value.matrix.transposed:
                return Same(self._vector(value), new)
            raise Unknown("its `update` changes the shape of a matrix")
        if not isinstance(value, (Rows, Same, Summed)):
            raise Unknown("its `update` changes the shape of what is not a row")
        old_width = value.shape[-1] if isinstance(value, Rows) and len(value.shape) == 2 else 1
        if isinstance(value, Rows):
            new_width = new[-1] if len(new) == 2 else 1
            if new[0] != self.rows or len(new) > 2 or new_width != old_width:
                raise Unknown("its `update` changes the shape of a row, which the engine does not know")
        elif len([size for size in new if size != 1]) > 1:
            raise Unknown("its `update` changes the shape of a parameter, which the engine does not know")
        assert value.node is not None
        return type(value)(value.node, new)

    on_unsqueeze = on_squeeze = on_reshape = on_view

    def on_expand(self, value: Any, shape: Sequence[int], implicit: bool = False) -> Any:
        new = self.shape
        if isinstance(value, Same) and self.rows in new:
            if new[0] != self.rows or len(new) != 2:
                raise Unknown("its `update` mixes rows in `expand`")
            return Rows(self._wide(self._vector(value), new[1]), new)
        if not isinstance(value, (Rows, Same, Summed)) or self.rows in new[1:] or len(new) > 2:
            raise Unknown("its `update` uses `expand` of a shape that the engine does not know")
        node = value.node if not isinstance(value, Same) else self._vector(value)
        return type(value)(self._wide(node, new[-1]) if len(new) == 2 or not isinstance(value, Rows) else node, new)

    def on_clone(self, value: Any, **options: Any) -> Any:
        return value

    def on_copy(self, into: Any, value: Any, non_blocking: bool = False) -> Any:
        return self.on_expand(value, self.shape)

    on_alias = on_detach = on_lift_fresh_copy = on_clone

    def on__to_copy(self, value: Any, dtype: Any = None, **options: Any) -> Any:
        if dtype not in (None, self.cell.weight_input.dtype, torch.bool):
            raise Unknown(f"its `update` converts to {dtype}")
        return self._elementwise("ne", value, 0.0) if dtype == torch.bool else value

    def _filled(self, value: float) -> Any:
        node = self.make.constant(float(value))
        if self.shape and self.shape[0] == self.rows:
            return Rows(node if len(self.shape) == 1 else self._wide(node, self.shape[-1]), self.shape)
        return Same(self._wide(node, self.shape[-1]) if self.shape else node, self.shape)

    def on_full_like(self, value: Any, fill: float, **options: Any) -> Any:
        return self._filled(fill)

    def on_full(self, size: Any, fill: float, **options: Any) -> Any:
        return self._filled(fill)

    def on_empty_permuted(self, size: Any, *rest: Any, **options: Any) -> Any:
        return self._filled(0.0)

    def on_scalar_tensor(self, fill: float, **options: Any) -> Any:
        return self._filled(fill)
