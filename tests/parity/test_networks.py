"""Encoder–decoders and the plain network equal what the papers say, values and gradients, in float64 to rounding."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from laws.roster import noisy
from laws.sequences import assert_same
from parity import networks
from torch import Tensor

from unspool import Cell, Ragged, Residual, cells, randomness
from unspool.models import encoder_decoder, plain_network


def residual(input_size: int, hidden_size: int) -> Cell:
    cell = cells.GRU(input_size, hidden_size)
    return Residual(cell) if input_size == hidden_size else cell


CELLS: dict[str, Callable[[int, int], Cell]] = {
    "LSTM": cells.LSTM,
    "GRU": cells.GRU,
    "LayerNormLSTM": cells.LayerNormLSTM,
    "Residual": residual,
}
SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "two layers over one": {"decoder_num_layers": 2},
    "one layer over two": {"num_layers": 2, "decoder_num_layers": 1, "bidirectional": False, "hidden_size": 4},
    "two layers over two": {"num_layers": 2},
}
READING = [(kind, feeding) for kind in ("dot", "general", "additive", "multihead") for feeding in (False, True)]
READING.append(("location", True))
SOURCES, TARGETS = [[3, 5, 4, 3], [], [4], [5, 6]], [[4, 3], [3, 3, 4, 5, 4], [], [5]]


def ragged(sequences: list[list[int]]) -> Ragged:
    return Ragged(
        torch.tensor([token for sequence in sequences for token in sequence], dtype=torch.int64),
        [len(sequence) for sequence in sequences],
        torch.arange(len(sequences)) * 5 + 2,
    )


def built(cell: str = "GRU", shape: str = "one layer", **options: Any) -> Any:
    """A small model in float64 with noise in every parameter, its decoder as wide as both directions of its encoder."""
    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_size": 2, "decoder_hidden_size": 4, "heads": 2, "dropout": 0.0}
    return noisy(encoder_decoder(7, 6, **{**sizes, "cell": CELLS[cell], **SHAPES[shape], **options}).double())


def results(rows: Tensor, model: Any) -> tuple[list[Tensor], list[Tensor]]:
    """The logits, and the gradients of a random sum of them."""
    torch.manual_seed(1)
    loss = (rows * torch.randn(rows.shape, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True, materialize_grads=True)
    return [rows.detach()], list(gradients)


def assert_equals_the_papers(model: Any) -> None:
    got = results(model(ragged(SOURCES), ragged(TARGETS)).values, model)
    rows = [networks.logits(model, *pair)[0] for pair in zip(SOURCES, TARGETS, strict=True)]
    expected = results(torch.cat(rows), model)
    assert_same(got[0], expected[0])
    assert_same(got[1], expected[1])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("attention", "feeding"), [("none", False), *READING])
def test_every_attention_over_every_cell(attention: str, feeding: bool, cell: str) -> None:
    assert_equals_the_papers(built(cell, attention=attention, feeding=feeding))


@pytest.mark.parametrize("bridge", ["last", "mean", "learned"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("attention", "feeding"), [("none", False), ("multihead", False), ("additive", True)])
def test_every_bridge_between_every_two_depths(attention: str, feeding: bool, shape: str, bridge: str) -> None:
    for cell in ("LSTM", "Residual"):
        assert_equals_the_papers(built(cell, shape, attention=attention, feeding=feeding, bridge=bridge))


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "LayerNormLSTM"])
@pytest.mark.parametrize(("depth", "upper"), [(2, 1), (3, 1), (3, 2)])
def test_layers_above_the_attention(depth: int, upper: int, cell: str) -> None:
    assert_equals_the_papers(built(cell, decoder_num_layers=depth, upper_layers=upper, attention="general"))


def test_a_step_with_layers_above_the_attention_is_what_forcing_does() -> None:
    model = built("LSTM", decoder_num_layers=3, upper_layers=2)
    expected, looked = networks.logits(model, SOURCES[0], TARGETS[1])
    state, context = model.start(model.encode(ragged([SOURCES[0]])))
    for i, token in enumerate([1, *TARGETS[1]]):
        packed, _ = model.stepper(1)(torch.tensor([token]), state, context)
        decoded, state = model.step(torch.tensor([token]), state, context)
        assert_same([decoded.output[0], packed.output[0]], [expected[i], expected[i]])
        assert_same([decoded.weights[0]], [looked[i]])


@pytest.mark.parametrize(("attention", "feeding"), [("none", False), *READING])
def test_a_step_is_what_forcing_does_and_looks_where_the_papers_look(attention: str, feeding: bool) -> None:
    model = built("LSTM", "two layers over two", attention=attention, feeding=feeding)
    for source, target in zip(SOURCES, TARGETS, strict=True):
        expected, looked = networks.logits(model, source, target)
        state, context = model.start(model.encode(ragged([source])))
        for i, token in enumerate([1, *target]):
            packed, _ = model.stepper(1)(torch.tensor([token]), state, context)
            decoded, state = model.step(torch.tensor([token]), state, context)
            assert_same([decoded.output[0], packed.output[0]], [expected[i], expected[i]])
            if attention != "none":
                assert_same([decoded.weights[0], packed.weights[0]], [looked[i], looked[i]])
            else:
                assert decoded.weights is None


@pytest.mark.parametrize(("attention", "feeding"), READING)
def test_several_rows_may_read_one_memory(attention: str, feeding: bool) -> None:
    model = built(attention=attention, feeding=feeding)
    sources = ragged([[3, 4], [5]])
    state, context = model.start(model.encode(sources))
    doubled, _ = model.start(model.encode(sources.select([0, 0, 1, 1])))
    tokens = torch.tensor([3, 4, 5, 2])
    got = model.step(tokens, doubled, context)[0]
    for row, token in enumerate(tokens):
        state, context = model.start(model.encode(sources.select([row // 2])))
        alone = model.step(token[None], state, context)[0]
        width = alone.weights.shape[1]
        assert_same([got.output[row], got.weights[row, :width]], [alone.output[0], alone.weights[0]])
        assert not got.weights[row, width:].any()


@pytest.mark.parametrize(("attention", "feeding"), [("none", False), ("general", False), ("additive", True)])
def test_scheduled_sampling_at_rate_1_reads_its_own_best_tokens(attention: str, feeding: bool) -> None:
    model = built(attention=attention, feeding=feeding)
    with randomness.using(seed=0, step=0):
        got = results(model(ragged(SOURCES), ragged(TARGETS), sampling=1.0).values, model)
    rows = [networks.logits(model, *pair, own=True)[0] for pair in zip(SOURCES, TARGETS, strict=True)]
    assert not torch.allclose(rows[1], networks.logits(model, SOURCES[1], TARGETS[1])[0])
    expected = results(torch.cat(rows), model)
    assert_same(got[0], expected[0])
    assert_same(got[1], expected[1])


@pytest.mark.parametrize("bound", [0, 4])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_plain_network(bidirectional: bool, cell: str, bound: int) -> None:
    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_size": 4, "num_layers": 2, "dropout": 0.0, "bound": bound}
    model = noisy(plain_network(7, 6, cell=CELLS[cell], bidirectional=bidirectional, **sizes).double())
    outputs = model(ragged(SOURCES))
    assert outputs.lengths.tolist() == [max(len(source) + 1, bound) for source in SOURCES]
    expected = results(torch.cat([networks.plain_logits(model, source) for source in SOURCES]), model)
    got = results(outputs.values, model)
    assert_same(got[0], expected[0])
    assert_same(got[1], expected[1])
