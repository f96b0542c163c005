"""Vector → sequence: columns read into one vector, a sequence written from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unspool.cells import Cell
from unspool.errors import ModelError
from unspool.layers.attention import Context
from unspool.models.bridge import Bridge, MeanBridge
from unspool.models.decoder import Attended, Decoded, Decoder
from unspool.models.encoder import Encoded
from unspool.models.reader import Columns, Reader
from unspool.models.seq2seq import EncoderDecoder
from unspool.ragged import Ragged
from unspool.state import State, exportable
from unspool.unrolling import unroll


class VectorEncoder(nn.Module):
    """Columns as a memory of a single step, so that a vector can be decoded as any memory is.

    Args:
        reader: from columns to a vector; None where nothing is read, and the vector has no features.
    """

    def __init__(self, reader: Reader | None) -> None:
        super().__init__()
        self.reader = reader
        if reader is None:
            self.register_buffer("nothing", torch.zeros(0), persistent=False)  # knows the device and the type

    def forward(self, columns: Columns, ids: Tensor) -> Encoded:
        """-> memory (batch, output_size), one step a row"""
        if self.reader is None:
            nothing = self.get_buffer("nothing").new_zeros(len(ids), 0)
            return Encoded(Ragged(nothing, torch.ones(len(ids), dtype=torch.int64), ids), ())
        vector = self.reader(columns).vector
        return Encoded(Ragged(vector, torch.ones(len(vector), dtype=torch.int64), ids), ())


@exportable
class Condition(NamedTuple):
    """vector: (batch, size), what each step reads beside its token."""

    vector: Tensor


class ConditionedDecoder(Decoder):
    """A decoder whose every step reads a vector beside the token.

        h_t = cell([x_t; v], h_{t-1})

    The cell is `embedding_size + size of the vector` wide at its input. All steps are still unrolled at once.

    Args:
        cell: the recurrence.
        bridge: from the vector to the cell's initial state.
        output_size: width of an output; see `Decoder`.

    Reference:
        Vinyals et al. (2015) give it at the first step alone; Cho et al. (2014), section 2.2, at all.
    """

    def __init__(self, cell: Cell, bridge: Bridge, output_size: int | None = None) -> None:
        super().__init__(cell, bridge, None, output_size)

    def start(self, encoded: Encoded) -> tuple[State, Any]:
        return super().start(encoded)[0], Condition(encoded.memory.values)

    def step(self, x: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
        return super().step(_beside(x, context), state, None)

    def stepper(self, rows: int) -> Any:
        inner = super().stepper(rows)
        return lambda x, state, context: inner(_beside(x, context), state, None)

    def forced(self, inputs: Ragged, state: State, context: Context | Condition | None) -> Attended:
        assert isinstance(context, Condition)
        rows = inputs.layout.on(inputs.device, "rows")
        beside = inputs.map(lambda x: torch.cat([x, context.vector.index_select(0, rows)], 1))
        return self.attend(unroll(self.cell, beside, state).outputs, None)


def _beside(x: Tensor, context: Condition) -> Tensor:
    """The vector beside the token of each row; rows stand in groups, one group a vector."""
    groups = len(context.vector)
    return torch.cat([x, context.vector.repeat_interleave(len(x) // groups if groups else 1, 0)], 1)


class MeaningBridge(MeanBridge):
    """A state whose field `meaning` is the vector itself, and whose other fields are a map of it.

    For `SCLSTM`, which reads its meaning off step by step: what is still to be said must begin as what is to be said.
    """

    def __init__(self, memory_size: int, num_layers: int, widths: dict[str, int]) -> None:
        super().__init__(memory_size, num_layers, {name: width for name, width in widths.items() if name != "meaning"})

    def forward(self, encoded: Encoded) -> list[dict[str, Tensor]]:
        return [{**layer, "meaning": encoded.memory.values} for layer in super().forward(encoded)]


class VectorDecoder(EncoderDecoder):
    """p(target | columns), one token after another: an `EncoderDecoder` that reads columns in place of a sequence.

    Args:
        encoder: from columns to a vector.
        embedding, decoder, output, dropout: as of `EncoderDecoder`.

    `vector_decoder` puts one together from sizes and names.

    Example:
        >>> from unspool.models import FeaturesOf, vector_decoder
        >>> model = vector_decoder({"act": FeaturesOf(7)}, target_size=40, hidden_size=16, dropout=0.0)
        >>> acts = {"act": torch.randint(2, (2, 7)).float()}
        >>> target = Ragged(torch.randint(3, 40, (6,)), lengths=[4, 2])
        >>> model(acts, target)
        Ragged(values=(8, 40), lengths=[5, 3])
        >>> unspool.decode.greedy(model, model.encode(acts, target.ids), max_length=9)[0].complete in (True, False)
        True
    """

    encoder: VectorEncoder

    def encode(self, source: Columns, ids: Tensor | None = None) -> Encoded:  # type: ignore[override]
        """Read the columns.

        Args:
            source: by name; a `Batch` is such.
            ids: (batch,) which examples these are, for dropout and for drawing. If left out: those of a batch or of a
                column that is a `Ragged`; else 0, 1, …
        """
        if ids is None:
            names = self.encoder.reader.names if self.encoder.reader is not None else ()
            known = [source, *(source[name] for name in names)]
            ids = next((each.ids for each in known if hasattr(each, "ids")), None)
            if ids is None and not names:
                raise ModelError("`ids` must say which examples these are where no column is read, but are left out")
            ids = torch.arange(len(source[names[0]])) if ids is None else ids  # type: ignore[arg-type]
        return self.encoder(source, ids)  # type: ignore[no-any-return]
