"""What holds of every encoder–decoder: batches, noise, losses, shared weights, sizes, messages."""

from typing import Any

import pytest
import torch
from laws.roster import noisy
from laws.sequences import assert_same, lengths_drawn
from torch import Tensor

from unspool import Ragged, cells, randomness
from unspool.errors import ModelError, RandomnessError
from unspool.models import Bridge, encoder_decoder
from unspool.models.loss import cross_entropy

KINDS = [
    ("none", False),
    ("dot", False),
    ("general", True),
    ("additive", True),
    ("location", True),
    ("multihead", False),
    ("general, copying", False),
    ("additive, copying", True),
]
every_kind = pytest.mark.parametrize(("attention", "feeding"), KINDS)


def built(attention: str = "multihead", feeding: bool = False, **options: Any) -> Any:
    """A model of 7 source ids and, but where it copies, 6 target ids."""
    torch.manual_seed(0)
    attention, copying, _ = attention.partition(", copying")
    sizes = {"embedding_size": 4, "hidden_size": 2, "decoder_hidden_size": 4, "heads": 2, "dropout": 0.3}
    sizes |= {"cell": cells.GRU, "num_layers": 2, "attention": attention, "feeding": feeding}
    more: dict[str, Any] = {"copying": True} if copying else {}
    return noisy(encoder_decoder(7, 7 if copying else 6, **{**sizes, **more, **options}).double())


def pairs(lengths: list[int]) -> tuple[Ragged, Ragged]:
    """Random sources of these lengths and targets of others, zero among them; ids are not places."""
    torch.manual_seed(len(lengths))
    ids, others = torch.arange(len(lengths)) * 7 + 3, [(3 * n + 1) % 5 for n in lengths]
    return (
        Ragged(torch.randint(3, 7, (sum(lengths),)), lengths, ids),
        Ragged(torch.randint(3, 6, (sum(others),)), others, ids),
    )


def answers(model: Any, source: Ragged, target: Ragged, **options: Any) -> list[Tensor]:
    """The logits, and the gradients of a sum of their squares."""
    with randomness.using(seed=3, step=1):
        rows = model(source, target, **options).values
        gradients = torch.autograd.grad(rows.square().sum(), list(model.parameters()), allow_unused=True)
    return [rows.detach(), *(gradient for gradient in gradients if gradient is not None)]


@every_kind
@pytest.mark.parametrize("sampling", [0.0, 0.5])
@lengths_drawn(2)
def test_a_batch_of_one_equals_its_row_whatever_is_drawn(
    attention: str, feeding: bool, sampling: float, lengths: list[int]
) -> None:
    model, (source, target) = built(attention, feeding), pairs(lengths)
    together = answers(model, source, target, sampling=sampling)
    rows = Ragged(together[0], target.lengths + 1)
    summed = [torch.zeros_like(gradient) for gradient in together[1:]]
    for i, row in enumerate(rows.split()):
        alone, *gradients = answers(model, source.select([i]), target.select([i]), sampling=sampling)
        assert_same([alone], [row])
        summed = [one + other for one, other in zip(summed, gradients, strict=True)]
    assert_same(together[1:], summed)


@every_kind
@lengths_drawn(2)
def test_permuting_a_batch_permutes_its_results(attention: str, feeding: bool, lengths: list[int]) -> None:
    model, (source, target) = built(attention, feeding), pairs(lengths)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(3))
    together = answers(model, source, target, sampling=0.4)
    moved = answers(model, source.select(order), target.select(order), sampling=0.4)
    assert_same(moved[:1], [Ragged(together[0], target.lengths + 1).select(order).values])
    assert_same(moved[1:], together[1:])


@every_kind
@pytest.mark.parametrize("bridge", ["mean", "learned"])
def test_a_nan_in_one_source_touches_no_other_row(attention: str, feeding: bool, bridge: str) -> None:
    model, (source, target) = built(attention, feeding, bridge=bridge, dropout=0.0), pairs([2, 5, 0, 3])
    source.values[source.values == 6] = 5
    source.split()[1][2] = 6  # the only sequence that reads the token whose embedding is about to be NaN
    others, found, embedded = [0, 2, 3], [], []
    model.encoder.embedding.register_forward_hook(lambda module, inputs, output: embedded.append(output))
    for value in (0.5, float("nan")):
        with torch.no_grad():
            model.encoder.embedding.weight[6] = value
        rows = model(source, target).split()
        loss = sum(row.square().sum() for i, row in enumerate(rows) if i in others)
        gradients = Ragged(torch.autograd.grad(loss, embedded.pop())[0], source.lengths + 1).split()
        found.append([each[i] for i in others for each in (rows, gradients)])
    assert rows[1].isnan().all()
    assert_same(found[1], found[0], rtol=0, atol=0)


def test_dropout_differs_by_step_and_layer_and_is_off_in_evaluation() -> None:
    model, (source, target) = built(), pairs([3, 2])
    with randomness.using(seed=0, step=0):
        first, again = model(source, target).values, model(source, target).values
    with randomness.using(seed=0, step=1):
        later = model(source, target).values
    assert torch.equal(first, again)
    assert not torch.allclose(first, later)
    numbers = [module.layer for module in model.modules() if isinstance(module, randomness.Drawing)]
    assert len(numbers) == len(set(numbers)) == 1 + 3 + 2 + 1  # itself; its encoder's, its decoder's, its output's
    model.eval()
    off = built(dropout=0.0)
    off.load_state_dict(dict(zip(off.state_dict(), model.state_dict().values(), strict=True)))
    assert torch.equal(model(source, target).values, off(source, target).values)


def test_training_outside_of_using_is_refused() -> None:
    model, (source, target) = built(), pairs([3, 2])
    with pytest.raises(RandomnessError, match=r"put the step inside `with unspool\.randomness\.using"):
        model(source, target)


@every_kind
def test_scheduled_sampling_at_rate_0_is_teacher_forcing_and_mixes_both_between(attention: str, feeding: bool) -> None:
    model = built(attention, feeding, dropout=0.0)
    ids = torch.arange(400)
    source = Ragged(torch.tensor([3, 4]).repeat(400), [2] * 400, ids)
    best = model(source, source, sampling=0.0).values[0].argmax()
    target = Ragged(torch.full((400,), 3 if best != 3 else 4), [1] * 400, ids)
    forced = model(source, target, sampling=0.0).values.unflatten(0, (400, 2))
    own = answers(model, source, target, sampling=1.0)[0].unflatten(0, (400, 2))
    assert_same([own[:, 0]], [forced[:, 0].detach()])
    mixed = answers(model, source, target, sampling=0.25)[0].unflatten(0, (400, 2))
    reads_own = torch.isclose(mixed[:, 1], own[:, 1]).all(1)
    assert torch.equal(~reads_own, torch.isclose(mixed[:, 1], forced[:, 1]).all(1))
    assert 0.15 < reads_own.double().mean() < 0.35  # 400 draws at 0.25: within 4.6 standard deviations


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_a_rate_of_sampling_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ModelError) as caught:
        built()(*pairs([2]), sampling=rate)
    assert str(caught.value) == f"`sampling` must be from 0 to 1, but is {rate}"


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_its_formula(smoothing: float) -> None:
    model, (source, target) = built().eval(), pairs([2, 0, 4])
    expected = 0.0
    for rows, tokens in zip(model(source, target).split(), target.split(), strict=True):
        for row, token in zip(rows.tolist(), [*tokens.tolist(), 2], strict=True):
            raised = torch.tensor(row, dtype=torch.float64).exp()
            log_p = [float((one / raised.sum()).log()) for one in raised]
            expected -= (1 - smoothing) * log_p[token] + smoothing * sum(log_p) / len(log_p)
    got = model.loss(source, target, smoothing=smoothing)
    assert float(got.detach()) == pytest.approx(expected, rel=1e-10)
    assert float(cross_entropy(torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64), smoothing)) == 0


@pytest.mark.parametrize("ended", [True, False])
def test_a_score_is_the_log_probability_of_a_target(ended: bool) -> None:
    model, (source, target) = built().eval(), pairs([2, 0, 4])
    scores = model.score(source, target, ended=ended)
    forced = model(source, target).values.detach()
    for i, (rows, tokens) in enumerate(zip(Ragged(forced, target.lengths + 1).split(), target.split(), strict=True)):
        read = [*tokens.tolist(), 2][: len(tokens) + ended]
        expected = sum(float(rows[t].log_softmax(0)[token]) for t, token in enumerate(read))
        assert float(scores[i]) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("sampling", [0.0, 0.5])
@every_kind
def test_a_batch_of_none_gives_nothing_and_a_loss_of_zero(attention: str, feeding: bool, sampling: float) -> None:
    model, nothing = (
        built(attention, feeding),
        Ragged(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)),
    )
    with randomness.using(seed=0, step=0):
        assert model(nothing, nothing, sampling=sampling).values.shape == (0, model.output.out_features)
        loss = model.loss(nothing, nothing, smoothing=0.1, sampling=sampling)
        loss.backward()
    assert float(loss.detach()) == 0


def test_tied_embeddings_are_one_tensor_that_gets_both_gradients() -> None:
    tied, loose = built(tied_embeddings=True, dropout=0.0), built(tied_embeddings=False, dropout=0.0)
    assert tied.output.weight is tied.embedding.weight
    loose.load_state_dict(tied.state_dict())
    for model in (tied, loose):
        model.loss(*pairs([3, 1, 4])).backward()
    assert loose.output.weight.grad.any()
    assert loose.embedding.weight.grad.any()
    assert_same([tied.embedding.weight.grad], [loose.embedding.weight.grad + loose.output.weight.grad])


def test_tied_embeddings_are_mapped_to_where_the_decoder_has_another_width() -> None:
    model = built(tied_embeddings=True, decoder_hidden_size=10, feeding=True)
    assert model.decoder.output_size == 4
    assert model.eval()(*pairs([3])).values.shape[1] == 6


def test_shared_embeddings_are_one_tensor_that_gets_both_gradients() -> None:
    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_size": 2, "dropout": 0.0}
    shared = encoder_decoder(7, 7, shared_embeddings=True, **sizes).double()
    loose = encoder_decoder(7, 7, **sizes).double()
    assert shared.encoder.embedding is shared.embedding
    loose.load_state_dict(shared.state_dict())
    for model in (shared, loose):
        model.loss(*pairs([3, 1, 4])).backward()
    assert_same([shared.embedding.weight.grad], [loose.embedding.weight.grad + loose.encoder.embedding.weight.grad])


def test_the_number_of_parameters() -> None:
    model = encoder_decoder(
        100, 50, embedding_size=8, hidden_size=6, cell=cells.GRU, attention="additive", feeding=True
    )

    def gru(x: int, h: int) -> int:
        return 3 * h * (x + h) + 6 * h

    embeddings, encoder, bridge = 150 * 8, 2 * gru(8, 6), 12 * 6 + 6
    attention, decoder = 6 * 6 + (12 * 6 + 6) + 6, gru(8 + 6, 6)
    combine, output = (12 + 6) * 6 + 6, 6 * 50 + 50
    expected = embeddings + encoder + bridge + attention + decoder + combine + output
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_a_seed_gives_the_same_weights_wherever_in_memory_a_model_lies() -> None:
    models = [built() for _ in range(24)]
    for model in models[1:]:
        assert_same(model.parameters(), models[0].parameters(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"attention": "hard"},
            "`attention` must be one of none, dot, general, additive, location, multihead, but is 'hard'",
        ),
        ({"bridge": "first"}, "`bridge` must be one of last, mean, learned, but is 'first'"),
        (
            {"shared_embeddings": True},
            "`shared_embeddings` needs one vocabulary, but source has 7 ids and target 6",
        ),
        (
            {"attention": "none, copying"},
            "`copying` needs attention, which points at what to copy; choose one, or leave `copying` out",
        ),
        (
            {"copying": True},
            "`copying` needs one vocabulary, but source has 7 ids and target 6",
        ),
        (
            {"attention": "none", "feeding": True},
            "`feeding` needs attention, but `attention` is none; leave `feeding` out, or choose an attention",
        ),
        (
            {"attention": "none", "decoder_num_layers": 2, "upper_layers": 1},
            "`upper_layers` needs attention, but `attention` is none; leave `upper_layers` out, or choose an attention",
        ),
        (
            {"decoder_num_layers": 2, "upper_layers": 2},
            "`upper_layers` must leave at least one of the decoder's 2 layers below the attention, but is 2",
        ),
        (
            {"attention": "dot", "decoder_num_layers": 2, "upper_layers": 1, "feeding": True},
            "`upper_layers` read what attention found without `feeding`; leave one of them out",
        ),
        (
            {"attention": "location", "decoder_num_layers": 2, "upper_layers": 1},
            "`upper_layers` read what attention found without `feeding`, which location attention has; leave one of "
            "them out",
        ),
        (
            {"decoder_num_layers": 2, "upper_layers": 1, "tied_embeddings": True, "decoder_hidden_size": 5},
            "`tied_embeddings` with `upper_layers` needs a decoder as wide as the embedding (4), but it is 5",
        ),
        (
            {"bridge": "last", "decoder_hidden_size": 3, "heads": 1},
            "`bridge: last` needs an encoder whose final states fit the decoder's ({'hidden': 3}), but they are "
            "{'hidden': 4}; use `bridge: learned`, or a decoder as wide as all directions of the encoder together",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        built(**options)
    assert str(caught.value) == message


def test_a_bridge_without_forward_says_so() -> None:
    class Lost(Bridge):
        pass

    with pytest.raises(NotImplementedError, match=r"^`Lost` must define `forward`$"):
        Lost()(None)
