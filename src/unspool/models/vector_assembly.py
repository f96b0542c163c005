"""Networks of vectors put together from sizes and names: from columns to an answer, from columns to a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Unpack

from torch import nn

from unspool.cells import LSTM, SCLSTM, Cell
from unspool.errors import ModelError
from unspool.models.assembly import initialise, recurrent_stack
from unspool.models.bridge import Bridge, MeanBridge, NoBridge
from unspool.models.candidates import EncoderWithCandidates
from unspool.models.decoder import Decoder, state_layers
from unspool.models.emissions import Emission
from unspool.models.heads import Head
from unspool.models.reader_assembly import DROPOUT, Reading, reader, reader_beside
from unspool.models.seq2vec import EncoderWithHead
from unspool.models.sizes import ColumnSize, LinesOf
from unspool.models.steps import Front
from unspool.models.vec2seq import ConditionedDecoder, MeaningBridge, VectorDecoder, VectorEncoder
from unspool.models.writer import StepWriter

CONDITIONS = ("start", "steps", "both")


def encoder_with_head(
    columns: Mapping[str, ColumnSize],
    head: Head | Callable[[int], Head],
    *,
    hops: int = 0,
    output_dropout: float | None = None,
    **how: Unpack[Reading],
) -> EncoderWithHead:
    """A network from columns to one answer, from sizes and names.

    Args:
        columns: what is read, by name: see `reader`.
        head: made with the size of the vector, such as `lambda size: ClassHead(size, 4)`.
        hops, how: see `reader`.
        output_dropout: on the vector that was read; as much as `dropout` if left out.

    Raises:
        ModelError: as of `reader`.

    Example:
        >>> from unspool.models import ClassHead, SequenceOf
        >>> columns = {"text": SequenceOf(30)}
        >>> model = encoder_with_head(columns, lambda size: ClassHead(size, 4), hidden_size=8, dropout=0.0)
        >>> source = Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3])
        >>> model({"text": source}, source.ids).scores.shape
        torch.Size([2, 4])
    """
    read = reader(columns, hops=hops, **how)
    last = how.get("dropout", DROPOUT) if output_dropout is None else output_dropout
    return EncoderWithHead(read, head(read.output_size), last)


def encoder_with_candidates(
    columns: Mapping[str, ColumnSize],
    candidates: tuple[str, LinesOf],
    *,
    hops: int = 0,
    output_dropout: float | None = None,
    **how: Unpack[Reading],
) -> EncoderWithCandidates:
    """A network from columns to one of the answers that each example offers, from sizes and names.

    Args:
        columns: what is read, by name: see `reader`.
        candidates: the column of candidates, a line each, and its size; it shares an embedding with what is read where
            both name the same vocabulary.
        hops, how, output_dropout: as of `encoder_with_head`.

    Raises:
        ModelError: as of `reader`.

    Example:
        >>> from unspool.models import LinesOf, SequenceOf
        >>> sizes = {"question": SequenceOf(30, "words")}, ("offered", LinesOf(30, "words"))
        >>> model = encoder_with_candidates(*sizes, hidden_size=8, embedding_size=8).eval()
        >>> question = Ragged(torch.tensor([5, 6, 7]), lengths=[3])
        >>> offered = Ragged(torch.tensor([8, 2, 9, 8, 2, 7]), lengths=[6])  # three candidates
        >>> model({"question": question, "offered": offered}, question.ids).lengths
        tensor([3])
    """
    column, size = candidates
    read, vectors = reader_beside(columns, column, size, hops=hops, **how)
    last = how.get("dropout", DROPOUT) if output_dropout is None else output_dropout
    return EncoderWithCandidates(read, column, vectors, last)


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
    front: Front | None = None,
) -> VectorDecoder:
    """A network from columns to a sequence, from sizes and names.

    Args:
        columns: see `reader`; none for a model of the sequence alone.
        pooling, bidirectional, front: see `reader`.
        target_size: number of ids of the sequence that is written.
        hidden_size, num_layers, cell: of the decoder.
        encoder_hidden_size: of the encoders of columns that are sequences; that of the decoder if left out.
        condition: what the vector becomes: "start" (a map of it is the initial state), "steps" (every step reads it
            beside its token), or "both". The cell `SCLSTM` has it as the meaning of its state besides.
        embedding_size, dropout, embedding_dropout, output_dropout, tied_embeddings: as for `encoder_decoder`.

    Raises:
        ModelError: another condition, no pooling, or one of another name.
    """
    noise, last = (dropout if rate is None else rate for rate in (embedding_dropout, output_dropout))
    output_size = embedding_size if tied_embeddings else hidden_size
    encoder, decoder = _read_and_decoded(
        columns,
        Reading(
            embedding_size=embedding_size,
            hidden_size=encoder_hidden_size or hidden_size,
            cell=cell,
            bidirectional=bidirectional,
            pooling=pooling,
            dropout=dropout,
            embedding_dropout=noise,
            front=front,
        ),
        hidden_size,
        num_layers,
        condition,
        output_size,
    )
    embedding, output = nn.Embedding(target_size, embedding_size), nn.Linear(output_size, target_size)
    initialise([embedding], output)
    if tied_embeddings:
        output.weight = embedding.weight
    return VectorDecoder(encoder, embedding, decoder, output, last)


def step_writer(
    columns: Mapping[str, ColumnSize],
    emission: Callable[[int], Emission],
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
    front: Front | None = None,
) -> StepWriter:
    """A network from columns, or from none, to steps that are no tokens, from sizes and names.

    Args:
        columns: what is read, by name; none for a model of the steps alone.
        emission: made with the size of an output, such as `lambda size: BernoulliEmission(size, 88)`.
        embedding_size: of what the decoder reads of the step before.
        hidden_size, num_layers, cell, encoder_hidden_size, bidirectional, pooling, condition, dropout,
        embedding_dropout, output_dropout, front: as for `vector_decoder`.

    Raises:
        ModelError: as of `vector_decoder`.
    """
    noise, last = (dropout if rate is None else rate for rate in (embedding_dropout, output_dropout))
    how = Reading(
        embedding_size=embedding_size,
        hidden_size=encoder_hidden_size or hidden_size,
        cell=cell,
        bidirectional=bidirectional,
        pooling=pooling,
        dropout=dropout,
        embedding_dropout=noise,
        front=front,
    )
    encoder, decoder = _read_and_decoded(columns, how, hidden_size, num_layers, condition, hidden_size)
    told = emission(hidden_size)
    return StepWriter(encoder, nn.Linear(told.step_size, embedding_size), decoder, told, last)


def _read_and_decoded(
    columns: Mapping[str, ColumnSize], how: Reading, hidden_size: int, num_layers: int, condition: str, output_size: int
) -> tuple[VectorEncoder, Decoder]:
    """What makes a vector of columns, or of none, and the decoder of it.

    Args:
        how: of the columns; the decoder has its cell, its dropout and its size of what is embedded.
    """
    if condition not in CONDITIONS:
        raise ModelError(f"`condition` must be one of {', '.join(CONDITIONS)}, but is {condition!r}")
    cell, embedding_size = how["cell"], how["embedding_size"]
    of_columns = how.copy()
    of_columns["cell"] = LSTM if cell is SCLSTM else cell
    read = reader(columns, **of_columns) if columns else None
    size = read.output_size if read else 0
    make = (lambda inputs, width: SCLSTM(inputs, width, meaning_size=size)) if cell is SCLSTM else cell
    beside = 0 if condition == "start" else size
    noise = how["embedding_dropout"] or 0.0
    recurrent = recurrent_stack(embedding_size + beside, hidden_size, num_layers, make, how["dropout"], noise)
    states = state_layers(recurrent)
    if cell is SCLSTM:
        bridge: Bridge = MeaningBridge(size, len(states), states[0])
    else:
        told = condition != "steps" and size > 0
        bridge = MeanBridge(size, len(states), states[0]) if told else NoBridge(len(states), states[0])
    if beside:
        return VectorEncoder(read), ConditionedDecoder(recurrent, bridge, output_size)
    return VectorEncoder(read), Decoder(recurrent, bridge, None, output_size)
