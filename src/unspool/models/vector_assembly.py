"""Networks of vectors put together from sizes and names: from columns to an answer, from columns to a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from unspool.cells import LSTM, SCLSTM, Cell
from unspool.errors import ModelError
from unspool.models.assembly import encoder_layers, initialise, recurrent_stack
from unspool.models.bridge import Bridge, MeanBridge, NoBridge
from unspool.models.decoder import Decoder, state_layers
from unspool.models.encoder import Encoder, memory_size
from unspool.models.heads import Head
from unspool.models.pooling import POOLINGS, JoinedPooling, Pooling
from unspool.models.reader import (
    ColumnReader,
    FeatureReader,
    HoppingReader,
    LabelReader,
    LinesReader,
    Reader,
    SequenceReader,
)
from unspool.models.seq2vec import EncoderWithHead
from unspool.models.sizes import ColumnSize, LinesOf, OneOf, SequenceOf
from unspool.models.vec2seq import ConditionedDecoder, MeaningBridge, VectorDecoder, VectorEncoder

CONDITIONS = ("start", "steps", "both")


def encoder_with_head(
    columns: Mapping[str, ColumnSize],
    head: Head | Callable[[int], Head],
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    bidirectional: bool = True,
    pooling: str | Sequence[str] = "max",
    hops: int = 0,
    dropout: float = 0.1,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
) -> EncoderWithHead:
    """A network from columns to one answer, from sizes and names.

    Args:
        columns: what is read, by name: see `reader`.
        head: made with the size of the vector, such as `lambda size: ClassHead(size, 4)`.
        pooling, hops: see `reader`.
        embedding_size, hidden_size, num_layers, cell, bidirectional, dropout, embedding_dropout, output_dropout: as for
            `encoder_decoder`.

    Raises:
        ModelError: no pooling, or one of another name; hops without anything to look up.

    Example:
        >>> from unspool.models import ClassHead, SequenceOf
        >>> columns = {"text": SequenceOf(30)}
        >>> model = encoder_with_head(columns, lambda size: ClassHead(size, 4), hidden_size=8, dropout=0.0)
        >>> source = Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3])
        >>> model({"text": source}, source.ids).scores.shape
        torch.Size([2, 4])
    """
    noise, last = (dropout if rate is None else rate for rate in (embedding_dropout, output_dropout))
    read = reader(
        columns,
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        num_layers=num_layers,
        cell=cell,
        bidirectional=bidirectional,
        pooling=pooling,
        hops=hops,
        dropout=dropout,
        embedding_dropout=noise,
    )
    return EncoderWithHead(read, head(read.output_size), last)


def reader(
    columns: Mapping[str, ColumnSize],
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    bidirectional: bool = True,
    pooling: str | Sequence[str] = "max",
    hops: int = 0,
    dropout: float = 0.1,
    embedding_dropout: float = 0.1,
) -> Reader:
    """What makes one vector of several columns, each with an encoder of its own.

    Args:
        columns: by name, what is in each: `SequenceOf(30)` ids, `LinesOf(30)` ids on two levels, `OneOf(5)` classes,
            `FeaturesOf(7)` numbers. Columns that name the same vocabulary share an embedding.
        pooling: "last", "mean", "max" or "attention", or several of them, side by side.
        hops: how often to look a story up for a question: see `HoppingReader`; 0 for all columns side by side.
        embedding_size, hidden_size, num_layers, cell, bidirectional, dropout, embedding_dropout: as for
            `encoder_decoder`.

    Raises:
        ModelError: no pooling, or one of another name; hops without anything to look up.
    """
    names = [pooling] if isinstance(pooling, str) else list(pooling)
    if not names or any(name not in POOLINGS for name in names):
        raise ModelError(f"`pooling` must be one or more of {', '.join(POOLINGS)}, but is {pooling!r}")
    embeddings: dict[str, nn.Embedding] = {}

    def pooled(size: int) -> Pooling:
        parts = [POOLINGS[name](size) for name in names]
        return parts[0] if len(parts) == 1 else JoinedPooling(parts)

    def sequence(name: str, size: int, shared: str | None) -> tuple[Encoder, Pooling, int]:
        if (shared or name) not in embeddings:
            embeddings[shared or name] = nn.Embedding(size, embedding_size)
        layers = encoder_layers(
            embedding_size, hidden_size, num_layers, cell, bidirectional, dropout, embedding_dropout
        )
        width = memory_size(layers)
        return Encoder(embeddings[shared or name], layers), pooled(width), width

    def column(name: str, what: ColumnSize) -> ColumnReader:
        if isinstance(what, SequenceOf):
            return SequenceReader(*sequence(name, what.size, what.vocabulary))
        if isinstance(what, LinesOf):
            encoder, pooling, _ = sequence(name, what.size, what.vocabulary)
            outer = encoder_layers(pooling.output_size, hidden_size, num_layers, cell, bidirectional, dropout, 0.0)
            return LinesReader(encoder, pooling, outer, pooled(memory_size(outer)), memory_size(outer))
        if isinstance(what, OneOf):
            return LabelReader(what.size, embedding_size)
        return FeatureReader(what.size)

    found = {name: column(name, what) for name, what in columns.items()}
    for embedding in embeddings.values():
        nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    return HoppingReader(found, hops, hidden_size) if hops else Reader(found)


def vector_decoder(
    columns: Mapping[str, ColumnSize],
    target_size: int,
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    encoder_hidden_size: int | None = None,
    bidirectional: bool = True,
    pooling: str | Sequence[str] = "max",
    condition: str = "both",
    dropout: float = 0.1,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
    tied_embeddings: bool = False,
) -> VectorDecoder:
    """A network from columns to a sequence, from sizes and names.

    Args:
        columns, pooling, bidirectional: see `reader`.
        target_size: number of ids of the sequence that is written.
        hidden_size, num_layers, cell: of the decoder.
        encoder_hidden_size: of the encoders of columns that are sequences; that of the decoder if left out.
        condition: what the vector becomes: "start" (a map of it is the initial state), "steps" (every step reads it
            beside its token), or "both". The cell `SCLSTM` has it as the meaning of its state besides.
        embedding_size, dropout, embedding_dropout, output_dropout, tied_embeddings: as for `encoder_decoder`.

    Raises:
        ModelError: another condition, no pooling, or one of another name.
    """
    if condition not in CONDITIONS:
        raise ModelError(f"`condition` must be one of {', '.join(CONDITIONS)}, but is {condition!r}")
    noise, last = (dropout if rate is None else rate for rate in (embedding_dropout, output_dropout))
    read = reader(
        columns,
        embedding_size=embedding_size,
        hidden_size=encoder_hidden_size or hidden_size,
        cell=LSTM if cell is SCLSTM else cell,
        bidirectional=bidirectional,
        pooling=pooling,
        dropout=dropout,
        embedding_dropout=noise,
    )
    size = read.output_size
    make = (lambda inputs, width: SCLSTM(inputs, width, meaning_size=size)) if cell is SCLSTM else cell
    beside = 0 if condition == "start" else size
    recurrent = recurrent_stack(embedding_size + beside, hidden_size, num_layers, make, dropout, noise)
    states = state_layers(recurrent)
    if cell is SCLSTM:
        bridge: Bridge = MeaningBridge(size, len(states), states[0])
    else:
        bridge = MeanBridge(size, len(states), states[0]) if condition != "steps" else NoBridge(len(states), states[0])
    output_size = embedding_size if tied_embeddings else hidden_size
    decoder = (
        ConditionedDecoder(recurrent, bridge, output_size) if beside else Decoder(recurrent, bridge, None, output_size)
    )
    embedding, output = nn.Embedding(target_size, embedding_size), nn.Linear(output_size, target_size)
    initialise([embedding], output)
    if tied_embeddings:
        output.weight = embedding.weight
    return VectorDecoder(VectorEncoder(read), embedding, decoder, output, last)
