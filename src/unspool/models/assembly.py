"""Networks put together from sizes and names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from unspool.cells import LSTM, Cell
from unspool.errors import ModelError
from unspool.layers import Bidirectional, Dropout, Layers, Residual, Stack
from unspool.layers.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MultiHeadAttention,
)
from unspool.models.bridge import Bridge, LastBridge, LearnedBridge, MeanBridge
from unspool.models.ctc import CTCNetwork
from unspool.models.decoder import Decoder, DeepDecoder, FeedingDecoder, LocatingDecoder, state_layers
from unspool.models.encoder import Encoded, Encoder, memory_size
from unspool.models.joint import JointNetwork
from unspool.models.plain import PlainNetwork
from unspool.models.pointer import PointerGenerator
from unspool.models.seq2seq import EncoderDecoder
from unspool.models.sizes import PictureOf, RegionsOf, StepsOf
from unspool.models.steps import Front, RegionEncoder, StepEncoder, StepFront
from unspool.ragged import Ragged
from unspool.randomness import using

ATTENTIONS: dict[str, type[Attention] | None] = {
    "none": None,
    "dot": DotAttention,
    "general": GeneralAttention,
    "additive": AdditiveAttention,
    "location": LocationAttention,
    "multihead": MultiHeadAttention,
}
BRIDGES = ("last", "mean", "learned")


def encoder_decoder(
    source_size: int | StepsOf | PictureOf | RegionsOf,
    target_size: int,
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    bidirectional: bool = True,
    decoder_hidden_size: int | None = None,
    decoder_num_layers: int | None = None,
    decoder_cell: Callable[[int, int], Cell] | None = None,
    attention: str = "multihead",
    heads: int = 1,
    upper_layers: int = 0,
    feeding: bool = False,
    bridge: str = "learned",
    dropout: float = 0.1,
    decoder_dropout: float | None = None,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
    tied_embeddings: bool = False,
    shared_embeddings: bool = False,
    copying: bool = False,
    front: Front | None = None,
    ctc: float = 0.0,
) -> EncoderDecoder:
    """An encoder–decoder from sizes and names.

    Args:
        source_size: the number of ids, or what steps that are no ids are made of; of a picture its regions are the
            memory, and there are no recurrent layers.
        target_size: the number of ids.
        embedding_size: features of a token.
        hidden_size: of each direction of the encoder.
        num_layers: of the encoder.
        cell: from sizes to a cell, such as `unspool.cells.GRU`.
        bidirectional: whether the encoder reads in both directions.
        decoder_hidden_size, decoder_num_layers, decoder_cell: those of the encoder if left out.
        attention: "none" (the bridge's state is all the decoder knows), "dot", "general", "additive", "location" (which
            knows where the steps before looked, with `feeding`) or "multihead".
        heads: of "multihead".
        upper_layers: how many of the decoder's layers lie above the attention and read what it found (`DeepDecoder`).
        feeding: whether a step reads the last step's output (input feeding).
        bridge: "last", "mean" or "learned".
        dropout: on the outputs of every layer of the encoder, in training.
        decoder_dropout: between the layers of the decoder; `dropout` if left out, as the next two.
        embedding_dropout: on embedded tokens.
        output_dropout: before the output layer.
        tied_embeddings: the output layer's weights are the target's embedding.
        shared_embeddings: source and target share one embedding (and one vocabulary).
        copying: whether tokens may be copied from the source (`PointerGenerator`); they share one vocabulary then.
        front: what is below the encoder's layers where steps are no ids; nothing if left out.
        ctc: the share of the loss that asks the encoder to say the target by itself (`JointNetwork`); 0 for none.

    Raises:
        ModelError: names that are unknown, parts that do not fit.
    """
    for name, asked in (("shared_embeddings", shared_embeddings), ("copying", copying)):
        if asked and source_size != target_size:
            raise ModelError(
                f"`{name}` needs one vocabulary, but source has {source_size} ids and target {target_size}"
            )
    noise, between, last = (
        dropout if rate is None else rate for rate in (embedding_dropout, decoder_dropout, output_dropout)
    )
    if copying and ctc:
        raise ModelError(f"`ctc` must be 0 where tokens are copied from the source, but is {ctc:g}")
    embedded = nn.Embedding(target_size, embedding_size)
    encoder = encoder_of(
        source_size,
        embedded if shared_embeddings else None,
        front or Front(),
        embedding_size=embedding_size,
        layers=lambda size: encoder_layers(size, hidden_size, num_layers, cell, bidirectional, dropout, noise),
    )
    layers: Layers | None = getattr(encoder, "layers", None)
    memory, width = encoder.memory_size, decoder_hidden_size or hidden_size
    depth = decoder_num_layers or num_layers
    output_size = embedding_size if tied_embeddings else width
    feeding |= attention == "location"
    _check_decoder(attention, feeding, upper_layers, depth, width, output_size)
    fed = output_size if feeding else 0
    make, lower = decoder_cell or cell, depth - upper_layers
    recurrent = recurrent_stack(embedding_size + fed, width, lower, make, between, noise)
    upper = (
        Stack(*[layer for _ in range(upper_layers) for layer in _upper(width, make, between)]) if upper_layers else None
    )
    states = [*state_layers(recurrent), *(state_layers(upper) if upper else [])]
    width_below = embedding_size if isinstance(encoder, Encoder) else getattr(encoder.front, "output_size", 0)
    between_ends = _bridge(bridge, layers, width_below, memory, states)
    read = _attention(attention, width, memory, heads)
    if upper is not None and read is not None:
        upper.output_size = width
        decoder: Decoder = DeepDecoder(recurrent, upper, between_ends, read)
    else:
        kind = LocatingDecoder if attention == "location" else FeedingDecoder if feeding else Decoder
        decoder = kind(recurrent, between_ends, read, output_size)
    output = nn.Linear(output_size, target_size)
    initialise([embedded, *_embeddings(encoder)], output)
    if tied_embeddings:
        output.weight = embedded.weight
    if ctc:
        return JointNetwork(encoder, embedded, decoder, output, nn.Linear(memory, target_size), share=ctc, dropout=last)
    return (PointerGenerator if copying else EncoderDecoder)(encoder, embedded, decoder, output, last)


def ctc_network(
    source_size: int | StepsOf | PictureOf | RegionsOf,
    target_size: int,
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    bidirectional: bool = True,
    dropout: float = 0.1,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
    front: Front | None = None,
) -> CTCNetwork:
    """An encoder that says each token at one of its steps, from sizes and names.

    Args:
        source_size, target_size, embedding_size, hidden_size, num_layers, cell, bidirectional, dropout,
        embedding_dropout, output_dropout, front: as for `encoder_decoder`.
    """
    noise = dropout if embedding_dropout is None else embedding_dropout
    encoder = encoder_of(
        source_size,
        None,
        front or Front(),
        embedding_size=embedding_size,
        layers=lambda size: encoder_layers(size, hidden_size, num_layers, cell, bidirectional, dropout, noise),
    )
    output = nn.Linear(encoder.memory_size, target_size)
    initialise(_embeddings(encoder), output)
    return CTCNetwork(encoder, output, dropout if output_dropout is None else output_dropout)


def encoder_of(
    source: int | StepsOf | PictureOf | RegionsOf,
    embedding: nn.Embedding | None,
    front: Front,
    *,
    embedding_size: int,
    layers: Callable[[int], Layers],
) -> Encoder | StepEncoder | RegionEncoder:
    """What reads ids, steps that are none, or a picture.

    Args:
        embedding: of ids, where it is shared with others.
        layers: from the features of a step.
    """
    if isinstance(source, PictureOf | RegionsOf):
        return RegionEncoder(StepFront(source.shape, front, pool="grid"))
    if isinstance(source, StepsOf):
        below = StepFront(source.shape, front)
        return StepEncoder(below, layers(below.output_size))
    return Encoder(embedding or nn.Embedding(source, embedding_size), layers(embedding_size))


def _embeddings(encoder: nn.Module) -> list[nn.Embedding]:
    embedding = getattr(encoder, "embedding", None)
    return [embedding] if isinstance(embedding, nn.Embedding) else []


def plain_network(
    source_size: int,
    target_size: int,
    *,
    bound: int = 0,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    bidirectional: bool = True,
    dropout: float = 0.1,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
) -> PlainNetwork:
    """A plain network from sizes and names.

    Args:
        bound: see `PlainNetwork`.
        source_size, target_size, embedding_size, hidden_size, num_layers, cell, bidirectional, dropout,
        embedding_dropout, output_dropout: as for `encoder_decoder`.

    Raises:
        ModelError: a `bound` below 0.
    """
    noise = dropout if embedding_dropout is None else embedding_dropout
    layers = encoder_layers(embedding_size, hidden_size, num_layers, cell, bidirectional, dropout, noise)
    embedding, output = nn.Embedding(source_size, embedding_size), nn.Linear(memory_size(layers), target_size)
    initialise([embedding], output)
    return PlainNetwork(
        embedding,
        layers,
        output,
        bound,
        dropout if output_dropout is None else output_dropout,
    )


def encoder_layers(
    input_size: int,
    hidden_size: int,
    num_layers: int,
    cell: Callable[[int, int], Cell],
    bidirectional: bool,
    dropout: float,
    input_dropout: float,
) -> Layers:
    """Recurrent layers one over another, with dropout before the first and after each."""
    layers: list[nn.Module] = [Dropout(input_dropout)] if input_dropout else []
    for _ in range(num_layers):
        if bidirectional:
            layers.append(Bidirectional(cell(input_size, hidden_size), cell(input_size, hidden_size)))
        else:
            layers.append(cell(input_size, hidden_size))
        if dropout:
            layers.append(Dropout(dropout))
        input_size = memory_size(Layers(*layers))
    return Layers(*layers)


def recurrent_stack(
    input_size: int, width: int, depth: int, cell: Callable[[int, int], Cell], dropout: float, input_dropout: float
) -> Cell:
    """Cells one over another as one cell, with dropout before the first and between them."""
    cells: list[Cell] = [Dropout(input_dropout)] if input_dropout else []
    for i in range(depth):
        cells.append(cell(input_size if i == 0 else width, width))
        if dropout and i < depth - 1:  # the outputs after the last have their own
            cells.append(Dropout(dropout))
    stack = Stack(*cells)
    stack.input_size, stack.output_size = input_size, width  # a dropout does not know its width
    return stack


def _upper(width: int, cell: Callable[[int, int], Cell], dropout: float) -> list[Cell]:
    """One layer above the attention, beside a way past it."""
    noise: list[Cell] = [Dropout(dropout)] if dropout else []
    return [*noise, Residual(cell(width, width))]


def _check_decoder(
    attention: str, feeding: bool, upper_layers: int, num_layers: int, width: int, output_size: int
) -> None:
    if attention == "none" and (feeding or upper_layers):
        name = "feeding" if feeding else "upper_layers"
        raise ModelError(
            f"`{name}` needs attention, but `attention` is none; leave `{name}` out, or choose an attention"
        )
    if not 0 <= upper_layers < num_layers:
        raise ModelError(
            f"`upper_layers` must leave at least one of the decoder's {num_layers} layers below the attention, but is "
            f"{upper_layers}"
        )
    if upper_layers and feeding:
        asked = "`feeding`, which location attention has" if attention == "location" else "`feeding`"
        raise ModelError(f"`upper_layers` read what attention found without {asked}; leave one of them out")
    if upper_layers and output_size != width:
        raise ModelError(
            f"`tied_embeddings` with `upper_layers` needs a decoder as wide as the embedding ({output_size}), but it "
            f"is {width}"
        )


def _attention(name: str, query_size: int, memory_size: int, heads: int) -> Attention | None:
    if name not in ATTENTIONS:
        raise ModelError(f"`attention` must be one of {', '.join(ATTENTIONS)}, but is {name!r}")
    kind = ATTENTIONS[name]
    if kind is None:
        return None
    if kind is MultiHeadAttention:
        return MultiHeadAttention(query_size, memory_size, heads)
    return kind(query_size, memory_size)


def _bridge(name: str, layers: Layers | None, input_size: int, memory: int, fields: list[dict[str, int]]) -> Bridge:
    if layers is None and name in ("last", "learned"):
        raise ModelError(f"`bridge` must be mean where a picture is read, which has no last step, but is {name}")
    if name == "last" and layers is not None:
        bridge = LastBridge(len(fields), fields[0])
        with torch.no_grad(), using(seed=0, step=0):  # a misfit shows here, not at the first batch
            bridge(Encoded(*layers(Ragged(torch.zeros(0, input_size), torch.zeros(0, dtype=torch.int64)))))
        return bridge
    if name == "mean":
        return MeanBridge(memory, len(fields), fields[0])
    if name == "learned" and layers is not None:
        sizes = [memory_size(Layers(layer)) for layer in layers.layers if memory_size(Layers(layer))]
        return LearnedBridge(sizes, len(fields), fields[0])
    raise ModelError(f"`bridge` must be one of {', '.join(BRIDGES)}, but is {name!r}")


def initialise(embeddings: Sequence[nn.Embedding], output: nn.Linear) -> None:
    """Embeddings of standard deviation 1 / sqrt(width), which serve as output weights too; no bias at the start."""
    for embedding in dict.fromkeys(embeddings):  # a set's order changes from run to run
        nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    nn.init.zeros_(output.bias)
