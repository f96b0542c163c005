"""Encoder–decoders: one sequence in, another out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells import LSTM, Cell
from unspool.errors import ModelError
from unspool.layers import Bidirectional, Dropout, Layers, Stack
from unspool.layers.attention import AdditiveAttention, Attention, DotAttention, GeneralAttention, MultiHeadAttention
from unspool.models.bridge import Bridge, LastBridge, LearnedBridge, MeanBridge
from unspool.models.decoder import Decoded, Decoder, FeedingDecoder, state_layers, stepwise
from unspool.models.encoder import Encoded, Encoder, memory_size
from unspool.models.loss import cross_entropy
from unspool.ragged import Ragged
from unspool.randomness import Drawing, Draws, number_layers, uniform, using
from unspool.state import State
from unspool.tokens import with_end, with_start
from unspool.unrolling import unroll

ATTENTIONS: dict[str, type[Attention] | None] = {
    "none": None,
    "dot": DotAttention,
    "general": GeneralAttention,
    "additive": AdditiveAttention,
    "multihead": MultiHeadAttention,
}
BRIDGES = ("last", "mean", "learned")


class EncoderDecoder(Drawing, nn.Module):
    """p(target | source), one target token after another.

    Args:
        encoder: from source ids to a memory.
        embedding: from target ids to what the decoder reads.
        decoder: from the memory, step by step, to outputs.
        output: from outputs to a score for every token of the target's vocabulary.
        dropout: on the outputs, in training.

    `encoder_decoder` puts one together from sizes and names.

    Example:
        >>> model = encoder_decoder(source_size=30, target_size=40, hidden_size=16, dropout=0.0)
        >>> source = Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3])
        >>> target = Ragged(torch.randint(3, 40, (6,)), lengths=[4, 2])
        >>> model(source, target)
        Ragged(values=(8, 40), lengths=[5, 3])
        >>> loss = model.loss(source, target, smoothing=0.1) / (target.lengths + 1).sum()

    Reference:
        Cho et al. (2014); Sutskever et al. (2014); with attention, Bahdanau et al. (2015), Luong et al. (2015).
    """

    def __init__(
        self, encoder: Encoder, embedding: nn.Embedding, decoder: Decoder, output: nn.Linear, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.embedding, self.decoder, self.output = encoder, embedding, decoder, output
        self.dropout = Dropout(dropout)
        number_layers(self)

    def encode(self, source: Ragged) -> Encoded:
        """Read the sources. source: (total,) ids; an end token is added to each."""
        return self.encoder(with_end(source))  # type: ignore[no-any-return]

    def start(self, encoded: Encoded) -> tuple[State, Any]:
        """The decoder's state before the first token, and its context: see `Decoder`."""
        return self.decoder.start(encoded)

    def step(self, tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
        """Logits of the next tokens after these. tokens: (rows,) -> `Decoded.output` of (rows, vocabulary)"""
        decoded, state = self.decoder.step(self.embedding(tokens), state, context)
        return Decoded(self.output(decoded.output), decoded.weights), state

    def stepper(self, rows: int) -> Callable[[Tensor, State, Any], tuple[Decoded, State]]:
        """`step` for many steps of that many rows without gradients."""
        inner = self.decoder.stepper(rows)

        @torch.no_grad()
        def step(tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
            decoded, state = inner(self.embedding(tokens), state, context)
            return Decoded(self.output(decoded.output), decoded.weights), state

        return step

    def forward(self, source: Ragged, target: Ragged, *, sampling: float = 0.0) -> Ragged:
        """Teacher forcing: the logits of every target token and of the end, each after the true tokens before it.

        Args:
            source: (total,) ids.
            target: (total,) ids, without start and end.
            sampling: scheduled sampling: the rate at which a step reads the model's own last best token instead of the
                true one, from 0 to 1, drawn anew at each step. Above 0, training goes step by step.

        Returns:
            (total + batch, vocabulary): each sequence one longer than the target.

        Raises:
            ModelError: a rate that is none.
            RandomnessError: in training, or with `sampling`, when run outside of `unspool.randomness.using`.

        Reference:
            Williams & Zipser (1989); scheduled sampling, Bengio et al. (2015).
        """
        if not 0 <= sampling <= 1:
            raise ModelError(f"`sampling` must be from 0 to 1, but is {sampling}")
        state, context = self.start(self.encode(source))
        inputs = with_start(target)
        if sampling > 0:
            outputs = self._sampled(inputs, state, context, sampling)
        else:
            outputs = self.decoder.forced(inputs.map(self.embedding), state, context)
        return unroll(self.dropout, outputs).outputs.map(self.output)  # type: ignore[no-any-return]

    def _sampled(self, inputs: Ragged, state: State, context: Any, rate: float) -> Ragged:
        keys = self.draws_for(inputs.ids, inputs.device, active=True).key
        order = inputs.layout.on(inputs.device, "order")
        time = 0

        def choose(tokens: Tensor, last: Decoded | None) -> Tensor:
            nonlocal time
            if last is not None:
                own = keys[order[: len(tokens)]]
                truth = uniform(Draws(own, torch.full_like(own, time))) >= rate
                with torch.no_grad():
                    tokens = torch.where(truth, tokens, self.output(last.output).argmax(1))
            time += 1
            return self.embedding(tokens)  # type: ignore[no-any-return]

        return stepwise(self.decoder, inputs.values, inputs, state, context, choose)

    def loss(self, source: Ragged, target: Ragged, *, smoothing: float = 0.0, sampling: float = 0.0) -> Tensor:
        """Negative log-likelihood of the targets and their ends, summed over all tokens, in nats.

        Divide by `(target.lengths + 1).sum()` for the mean.
        """
        return cross_entropy(self(source, target, sampling=sampling).values, with_end(target).values, smoothing)

    @torch.no_grad()
    def score(self, source: Ragged, target: Ragged, *, ended: bool = True) -> Tensor:
        """log p(target | source) of each sequence, by forcing it. (batch,)

        Args:
            ended: whether the end token counts.
        """
        logits, tokens = self(source, target), with_end(target)
        scores = logits.values.log_softmax(1).gather(1, tokens.values.unsqueeze(1)).squeeze(1)
        scored = logits.with_values(scores)
        total: Tensor = scored.sum()
        return total if ended else total - scored.last()


def encoder_decoder(
    source_size: int,
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
    feeding: bool = False,
    bridge: str = "learned",
    dropout: float = 0.1,
    decoder_dropout: float | None = None,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
    tied_embeddings: bool = False,
    shared_embeddings: bool = False,
) -> EncoderDecoder:
    """An encoder–decoder from sizes and names.

    Args:
        source_size, target_size: numbers of ids.
        embedding_size: features of a token.
        hidden_size: of each direction of the encoder.
        num_layers: of the encoder.
        cell: from sizes to a cell, such as `unspool.cells.GRU`.
        bidirectional: whether the encoder reads in both directions.
        decoder_hidden_size, decoder_num_layers, decoder_cell: those of the encoder if left out.
        attention: "none" (the bridge's state is all the decoder knows), "dot", "general", "additive" or "multihead".
        heads: of "multihead".
        feeding: whether a step reads the last step's output (input feeding).
        bridge: "last", "mean" or "learned".
        dropout: on the outputs of every layer of the encoder, in training.
        decoder_dropout: between the layers of the decoder; `dropout` if left out, as the next two.
        embedding_dropout: on embedded tokens.
        output_dropout: before the output layer.
        tied_embeddings: the output layer's weights are the target's embedding.
        shared_embeddings: source and target share one embedding (and one vocabulary).

    Raises:
        ModelError: names that are unknown, parts that do not fit.
    """
    if shared_embeddings and source_size != target_size:
        raise ModelError(
            f"`shared_embeddings` needs one vocabulary, but source has {source_size} ids and target {target_size}"
        )
    noise, between, last = (
        dropout if rate is None else rate for rate in (embedding_dropout, decoder_dropout, output_dropout)
    )
    embedded = nn.Embedding(target_size, embedding_size)
    source_embedding = embedded if shared_embeddings else nn.Embedding(source_size, embedding_size)
    layers = encoder_layers(embedding_size, hidden_size, num_layers, cell, bidirectional, dropout, noise)
    memory, width = memory_size(layers), decoder_hidden_size or hidden_size
    depth = decoder_num_layers or num_layers
    output_size = embedding_size if tied_embeddings else width
    recurrent = _recurrent(
        embedding_size + (output_size if feeding else 0), width, depth, decoder_cell or cell, between, noise
    )
    read = _attention(attention, width, memory, heads)
    if read is None and feeding:
        raise ModelError(
            "`feeding` needs attention, but `attention` is none; leave `feeding` out, or choose an attention"
        )
    decoder = (FeedingDecoder if feeding else Decoder)(
        recurrent, _bridge(bridge, layers, embedding_size, memory, recurrent), read, output_size
    )
    output = nn.Linear(output_size, target_size)
    _initialise(embedded, source_embedding, output)
    if tied_embeddings:
        output.weight = embedded.weight
    return EncoderDecoder(Encoder(source_embedding, layers), embedded, decoder, output, last)


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


def _recurrent(
    input_size: int, width: int, depth: int, cell: Callable[[int, int], Cell], dropout: float, input_dropout: float
) -> Cell:
    cells: list[Cell] = [Dropout(input_dropout)] if input_dropout else []
    for i in range(depth):
        cells.append(cell(input_size if i == 0 else width, width))
        if dropout and i < depth - 1:  # the outputs after the last have their own
            cells.append(Dropout(dropout))
    stack = Stack(*cells)
    stack.input_size, stack.output_size = input_size, width  # a dropout does not know its width
    return stack


def _attention(name: str, query_size: int, memory_size: int, heads: int) -> Attention | None:
    if name not in ATTENTIONS:
        raise ModelError(f"`attention` must be one of {', '.join(ATTENTIONS)}, but is {name!r}")
    kind = ATTENTIONS[name]
    if kind is None:
        return None
    if kind is MultiHeadAttention:
        return MultiHeadAttention(query_size, memory_size, heads)
    return kind(query_size, memory_size)


def _bridge(name: str, layers: Layers, input_size: int, memory: int, cell: Cell) -> Bridge:
    fields = state_layers(cell)
    if name == "last":
        bridge = LastBridge(len(fields), fields[0])
        with torch.no_grad(), using(seed=0, step=0):  # a misfit shows here, not at the first batch
            bridge(Encoded(*layers(Ragged(torch.zeros(0, input_size), torch.zeros(0, dtype=torch.int64)))))
        return bridge
    if name == "mean":
        return MeanBridge(memory, len(fields), fields[0])
    if name == "learned":
        sizes = [memory_size(Layers(layer)) for layer in layers.layers if memory_size(Layers(layer))]
        return LearnedBridge(sizes, len(fields), fields[0])
    raise ModelError(f"`bridge` must be one of {', '.join(BRIDGES)}, but is {name!r}")


def _initialise(embedded: nn.Embedding, source: nn.Embedding, output: nn.Linear) -> None:
    """Embeddings of standard deviation 1 / sqrt(width), which serve as output weights too; no bias at the start."""
    for embedding in dict.fromkeys((embedded, source)):  # a set's order changes from run to run
        nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    nn.init.zeros_(output.bias)
