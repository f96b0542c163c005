"""Attention is the equations of its papers, one sequence at a time, and PyTorch's own where it has one."""

import pytest
import torch
from laws.roster import noisy
from laws.sequences import EXACT, assert_same
from parity import networks
from torch import Tensor, nn

from unspool import Ragged
from unspool.errors import ModelError
from unspool.layers.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MultiHeadAttention,
)

LENGTHS = [3, 0, 5, 1]


def built(kind: str) -> Attention:
    """Queries of 4 features; a memory of 6, or for dot products of 4."""
    torch.manual_seed(0)
    attention = {
        "dot": lambda: DotAttention(4, 4),
        "general": lambda: GeneralAttention(4, 6),
        "additive": lambda: AdditiveAttention(4, 6),
        "additive, wide": lambda: AdditiveAttention(4, 6, hidden_size=5),
        "location": lambda: LocationAttention(4, 6, filters=3, reach=2),
        "multihead": lambda: MultiHeadAttention(4, 6, heads=2),
        "multihead, wide": lambda: MultiHeadAttention(4, 6, heads=3, hidden_size=9),
    }[kind]()
    return noisy(attention.double())


def memory_of(attention: Attention, lengths: list[int] | None = None) -> Ragged:
    lengths = LENGTHS if lengths is None else lengths
    torch.manual_seed(1)
    return Ragged(torch.randn(sum(lengths), attention.memory_size, dtype=torch.float64), lengths)


def gradients(loss: Tensor, *of: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, of, allow_unused=True, materialize_grads=True))


every_kind = pytest.mark.parametrize(
    "kind", ["dot", "general", "additive", "additive, wide", "location", "multihead", "multihead, wide"]
)


@every_kind
def test_a_read_is_the_papers_loop(kind: str) -> None:
    attention = built(kind)
    memory = memory_of(attention)
    values = memory.values.requires_grad_()
    queries = torch.randn(len(LENGTHS), 2, 4, dtype=torch.float64, requires_grad=True)
    summaries, weights = attention(queries, attention.prepare(memory))
    expected = torch.zeros_like(summaries)
    for row, own in enumerate(memory.split()):
        for n in range(2 if len(own) else 0):
            expected[row, n], looked = networks.attend(attention, queries[row, n], list(own))
            assert_same([weights[row, n, : len(own)]], [looked])
            assert not weights[row, n, len(own) :].any()
    noise = torch.randn_like(summaries)
    of = (values, queries, *attention.parameters())
    assert_same(
        [summaries, *gradients((summaries * noise).sum(), *of)], [expected, *gradients((expected * noise).sum(), *of)]
    )


@pytest.mark.parametrize(("name", "number", "least"), [("filters", 0, 1), ("reach", -1, 0)])
def test_location_attention_has_filters_that_reach_somewhere(name: str, number: int, least: int) -> None:
    with pytest.raises(ModelError) as error:
        LocationAttention(4, 6, **{name: number})
    assert str(error.value) == f"`{name}` of location attention must be at least {least}, but is {number}"


def test_where_others_looked_moves_a_query_as_in_the_papers_loop() -> None:
    attention = built("location")
    memory, queries = memory_of(attention), torch.randn(len(LENGTHS), 2, 4, dtype=torch.float64)
    context = attention.prepare(memory)
    looked = torch.rand(len(LENGTHS), 2, 5, dtype=torch.float64) * (context.mask == 0)
    summaries, weights = attention(queries, context, looked)
    for row, own in enumerate(memory.split()):
        for n in range(2 if len(own) else 0):
            expected, weighed = networks.attend(attention, queries[row, n], list(own), looked[row, n, : len(own)])
            assert_same([summaries[row, n], weights[row, n, : len(own)]], [expected, weighed])
    assert not torch.allclose(weights[0], attention(queries, context)[1][0])


@every_kind
@pytest.mark.parametrize("lengths", [[2, 4, 1, 0], [0, 0, 0, 0], [3, 1, 2, 6]])
def test_reading_all_steps_at_once_is_reading_them_one_by_one(kind: str, lengths: list[int]) -> None:
    attention = built(kind)
    context = attention.prepare(memory_of(attention))
    queries = Ragged(torch.randn(sum(lengths), 4, dtype=torch.float64), lengths)
    got, looked = attention.read(queries, context)
    assert got.lengths.tolist() == looked.lengths.tolist() == lengths
    for row, own in enumerate(queries.split()):
        alone = attention.prepare(memory_of(attention).select([row]))
        for query, summary, weights in zip(own, got.split()[row], looked.split()[row], strict=True):
            summaries, single = attention(query[None, None], alone)
            assert_same([summary, weights[: LENGTHS[row]]], [summaries[0, 0], single[0, 0]])
            assert not (LENGTHS[row] and weights[LENGTHS[row] :].any())


@every_kind
def test_a_batch_whose_memories_are_all_empty_reads_zeros(kind: str) -> None:
    attention = built(kind)
    context = attention.prepare(memory_of(attention, [0, 0]))
    summaries, weights = attention(torch.randn(2, 3, 4, dtype=torch.float64), context)
    assert weights.shape == (2, 3, 0)
    assert torch.equal(summaries, torch.zeros(2, 3, attention.output_size, dtype=torch.float64))


@every_kind
def test_a_nan_stays_in_its_own_sequence(kind: str) -> None:
    attention = built(kind)
    clean = memory_of(attention)
    dirty = clean.with_values(clean.values.clone())
    dirty.split()[2][4] = float("nan")
    queries = torch.randn(len(LENGTHS), 2, 4, dtype=torch.float64, requires_grad=True)
    found = []
    for memory in (clean, dirty):
        values = memory.values.requires_grad_()
        summaries, _ = attention(queries, attention.prepare(memory))
        of_queries, of_values = gradients(summaries[[0, 1, 3]].sum(), queries, values)
        kept = Ragged(of_values, LENGTHS).select([0, 1, 3]).values
        found.append([summaries[[0, 1, 3]], of_queries[[0, 1, 3]], kept])
    assert summaries[2].isnan().all()
    assert_same(found[1], found[0], rtol=0, atol=0)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_multihead_attention_is_that_of_torch(heads: int) -> None:
    torch.manual_seed(0)
    ours = MultiHeadAttention(8, 6, heads).double()
    theirs = nn.MultiheadAttention(8, heads, kdim=6, vdim=6, batch_first=True).double()
    with torch.no_grad():
        theirs.q_proj_weight.copy_(ours.query.weight)
        theirs.k_proj_weight.copy_(ours.key_value.weight[:8])
        theirs.v_proj_weight.copy_(ours.key_value.weight[8:])
        theirs.in_proj_bias.zero_()
        theirs.in_proj_bias[:8] = ours.query.bias
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.zero_()
    memory = memory_of(ours, [3, 1, 5])
    padded = memory.to_padded()
    queries = torch.randn(3, 2, 8, dtype=torch.float64, requires_grad=True)
    summaries, weights = ours(queries, ours.prepare(memory))
    expected, looked = theirs(queries, padded.values, padded.values, key_padding_mask=~padded.mask)
    torch.testing.assert_close(summaries, expected, **EXACT)
    torch.testing.assert_close(weights, looked, **EXACT)
    torch.testing.assert_close(
        *(torch.autograd.grad(each.square().sum(), queries)[0] for each in (summaries, expected)), **EXACT
    )


def test_dot_products_of_unequal_widths_are_refused() -> None:
    with pytest.raises(ModelError) as caught:
        DotAttention(3, 4)
    assert str(caught.value) == (
        "`DotAttention` must have queries as wide as its memory (4), but they have 3 features; "
        "use `GeneralAttention`, which maps one to the other"
    )


@pytest.mark.parametrize("heads", [0, 3])
def test_heads_that_do_not_divide_the_features_are_refused(heads: int) -> None:
    with pytest.raises(ModelError) as caught:
        MultiHeadAttention(4, 6, heads=heads)
    assert str(caught.value) == f"`heads` must divide the features of all heads (4), but is {heads}"


def test_an_attention_without_scores_says_so() -> None:
    class Lost(Attention):
        pass

    memory = Ragged(torch.zeros(2, 3), [2])
    lost = Lost(3, 3)
    with pytest.raises(NotImplementedError, match=r"^`Lost` must define `scores`$"):
        lost(torch.zeros(1, 1, 3), lost.prepare(memory))


@pytest.mark.parametrize("kind", ["additive", "additive, wide", "location", "multihead", "multihead, wide"])
def test_what_steps_have_to_themselves_is_computed_for_steps_alone(kind: str) -> None:
    attention = built(kind)
    queries = Ragged(torch.randn(sum(LENGTHS[::-1]), 4, dtype=torch.float64), LENGTHS[::-1])
    mapped: list[int] = []
    for name, each in attention.named_modules():
        if isinstance(each, nn.Linear) and name in ("query", "output"):
            each.register_forward_hook(lambda _, given, made: mapped.append(made.shape[:-1].numel()))
    attention.read(queries, attention.prepare(memory_of(attention)))
    assert set(mapped) == {len(queries.values)}  # and not one for each step of the longest


@pytest.mark.parametrize("kind", ["dot", "general", "additive", "multihead"])
def test_in_float16_what_is_not_there_has_no_weight(kind: str) -> None:
    attention = built(kind).half()
    context = attention.prepare(memory_of(attention).to(torch.float16))
    weights = attention.look(attention.ask(torch.randn(4, 1, 4).half()), context)[1]
    assert weights.isfinite().all()
    for row, length in enumerate(LENGTHS):
        assert length == 0 or not weights[row, ..., length:].any()
