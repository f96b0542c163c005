"""The pointer-generator: a mixture of writing and copying, the same forced, step by step and in every search."""

import math
from typing import Any

import pytest
import torch
from laws.roster import noisy
from laws.sequences import assert_same
from unit.decode import drawn

from unspool import Ragged, cells, randomness
from unspool.decode import beam_search, greedy, sample
from unspool.errors import ModelError
from unspool.models import PointerGenerator, encoder_decoder
from unspool.tokens import END, START

SOURCES = [[3, 4, 3], [4], [], [4, 4, 3, 3]]
TARGETS = [[4, 3], [], [3, 3, 4], [4]]
KINDS: list[dict[str, Any]] = [
    {"attention": "general"},
    {"attention": "additive", "feeding": True},
    {"attention": "multihead", "heads": 2, "decoder_num_layers": 2, "upper_layers": 1},
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=["general", "feeding", "deep"])


def built(kind: dict[str, Any], seed: int = 0, size: int = drawn.VOCABULARY) -> Any:
    torch.manual_seed(seed)
    sizes = {"embedding_size": 4, "hidden_size": 3, "decoder_hidden_size": 4, "cell": cells.GRU, "dropout": 0.0}
    model = noisy(noisy(encoder_decoder(size, size, copying=True, **sizes, **kind).double())).eval()
    assert isinstance(model, PointerGenerator)
    return model


def by_hand(model: Any, source: list[int], target: list[int]) -> list[list[float]]:
    """p of every token at every step, by See et al.'s equations 8 and 9, from what the decoder gives."""
    told = []
    read = [*source, END]
    with torch.no_grad():
        state, context = model.start(drawn.encoded(model, [source]))
        for token in [START, *target]:
            decoded, state = model.decoder.step(model.embedding(torch.tensor([token])), state, context)
            generating = 1 / (1 + math.exp(-float(model.generate(decoded.output))))
            raised = [math.exp(score) for score in model.output(decoded.output)[0].tolist()]
            p = [generating * each / sum(raised) for each in raised]
            for place, weight in zip(read, decoded.weights[0].tolist(), strict=True):
                p[place] += (1 - generating) * weight
            told.append(p)
    return told


@every_kind
def test_a_token_is_written_or_copied(kind: dict[str, Any]) -> None:
    model = built(kind)
    rows = model(drawn.ragged(SOURCES), drawn.ragged(TARGETS)).map(torch.exp).split()
    for source, target, got in zip(SOURCES, TARGETS, rows, strict=True):
        expected = torch.tensor(by_hand(model, source, target), dtype=torch.float64)
        assert_same([got.detach()], [expected])
        assert_same([got.sum(1)], [torch.ones(len(target) + 1, dtype=torch.float64)])


@every_kind
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_its_formula(kind: dict[str, Any], smoothing: float) -> None:
    model, expected = built(kind), 0.0
    for source, target in zip(SOURCES, TARGETS, strict=True):
        state, context = model.start(drawn.encoded(model, [source]))
        mixed = by_hand(model, source, target)
        for p, token, right in zip(mixed, [START, *target], [*target, END], strict=True):
            decoded, state = model.decoder.step(model.embedding(torch.tensor([token])), state, context)
            generated = torch.sigmoid(model.generate(decoded.output)) * model.output(decoded.output).softmax(1)
            expected -= (1 - smoothing) * math.log(p[right]) + smoothing * float(generated.detach().log().mean())
    got = model.loss(drawn.ragged(SOURCES), drawn.ragged(TARGETS), smoothing=smoothing)
    assert float(got.detach()) == pytest.approx(expected, rel=1e-10)


@every_kind
def test_the_loss_is_minus_the_score_and_has_its_gradient(kind: dict[str, Any]) -> None:
    model, given = built(kind), (drawn.ragged(SOURCES), drawn.ragged(TARGETS))
    loss = model.loss(*given)
    assert float(loss.detach()) == pytest.approx(-float(model.score(*given).sum()), rel=1e-12)
    logits, tokens = model(*given).values, torch.tensor([each for row in TARGETS for each in [*row, END]])
    dense = -logits.gather(1, tokens.unsqueeze(1)).sum()
    parameters = list(model.parameters())
    found, expected = (torch.autograd.grad(each, parameters, allow_unused=True) for each in (loss, dense))
    assert_same([each for each in found if each is not None], [each for each in expected if each is not None])


def test_training_spreads_nothing_over_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built(KINDS[0])
    monkeypatch.delattr(PointerGenerator, "_mixed")
    model.loss(drawn.ragged(SOURCES), drawn.ragged(TARGETS), smoothing=0.1).backward()
    assert model.generate.weight.grad.any()


@every_kind
@pytest.mark.parametrize("seed", range(4))
def test_forcing_reproduces_what_every_search_found(kind: dict[str, Any], seed: int) -> None:
    model = built(kind, seed)
    source = drawn.encoded(model, SOURCES)
    found = [[one] for one in greedy(model, source, max_length=5)]
    found += [[one] for one in sample(model, source, max_length=5, temperature=2.0)]
    found += beam_search(model, source, size=3, n_best=3, max_length=5, coverage_penalty=0.2)
    for row, hypotheses in enumerate(found):
        own = drawn.ragged([SOURCES[row % len(SOURCES)]])
        for one in hypotheses:
            score = model.score(own, Ragged(one.tokens, [len(one.tokens)], own.ids), ended=one.complete)
            assert one.log_probability == pytest.approx(float(score), rel=1e-9)


@every_kind
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_is_that_of_a_search_without_a_batch(kind: dict[str, Any], seed: int) -> None:
    model = built(kind, seed)
    found = beam_search(model, drawn.encoded(model, SOURCES), size=3, n_best=3, max_length=4)
    for source, got in zip(SOURCES, found, strict=True):
        expected = {one.tokens: one.log_probability for one in drawn.beam(model, source, 3, 4)}
        for one in got:
            assert one.log_probability == pytest.approx(expected[tuple(one.tokens.tolist())], rel=1e-9)


@every_kind
def test_what_scheduled_sampling_reads_is_the_best_of_writing_and_copying(kind: dict[str, Any]) -> None:
    differ = 0
    for seed in range(5):
        model, source = built(kind, seed), drawn.ragged(SOURCES)
        with randomness.using(seed=0, step=0):
            own = model(source, drawn.ragged([[3, 3, 3]] * 4), sampling=1.0)
        best = own.map(lambda rows: rows.argmax(1)).split()
        assert_same([model(source, Ragged(torch.cat([row[:3] for row in best]), [3] * 4)).values], [own.values])
        outputs = model.forced(source, drawn.ragged([row[:3].tolist() for row in best]))[0].outputs
        differ += int((model.output(outputs.values).argmax(1) != torch.cat(best)).sum())
    assert differ


@pytest.mark.parametrize("bias", [-200.0, 200.0])
def test_a_sure_choice_between_writing_and_copying_has_a_finite_loss_that_can_be_unlearned(bias: float) -> None:
    model = built(KINDS[0]).float()
    with torch.no_grad():
        model.generate.weight.zero_()
        model.generate.bias.fill_(bias)
    source = drawn.ragged([[4, 4, 4]])  # 3 can't be copied, 4 can
    loss = model.loss(source, drawn.ragged([[3, 4]]), smoothing=0.1)
    loss.backward()
    assert loss.isfinite()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)
    assert bias > 0 or model.generate.bias.grad < -0.9  # towards writing what can't be copied
    logits = model(source, drawn.ragged([[3, 4]])).values
    assert logits.isfinite().all()
    assert_same([logits.exp().sum(1)], [torch.ones(3)], rtol=1e-5, atol=0)


@pytest.mark.parametrize("attention", ["general", "multihead"])
def test_bfloat16_is_near(attention: str) -> None:
    torch.manual_seed(0)
    model = encoder_decoder(50, 50, hidden_size=32, attention=attention, copying=True, dropout=0.0)
    source = Ragged(torch.randint(3, 50, (200,)), [120, 80])
    target = Ragged(torch.randint(3, 50, (20,)), [12, 8])
    exact = model.loss(source, target)
    with torch.autocast("cpu", torch.bfloat16):
        rough, logits = model.loss(source, target), model(source, target).values
    assert logits.dtype == rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.005, atol=0)
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(22), rtol=0, atol=0.01)
    rough.backward()
    assert all(each.grad.isfinite().all() for each in model.parameters())


def test_what_was_never_written_in_training_is_copied() -> None:
    torch.manual_seed(0)
    model = encoder_decoder(
        60, 60, embedding_size=32, hidden_size=32, cell=cells.GRU, attention="general", dropout=0.0, copying=True
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)

    def sources(low: int, high: int) -> Ragged:
        return Ragged(torch.randint(low, high, (64 * 3,)), [3] * 64)

    for step in range(120):
        source = sources(3, 40)
        with randomness.using(seed=0, step=step):
            loss = model.loss(source, source) / (64 * 4)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    unseen = sources(40, 60)
    found = greedy(model.eval(), model.encode(unseen), max_length=4)
    right = [one.tokens[0] == row[0] for one, row in zip(found, unseen.split(), strict=True) if len(one.tokens)]
    assert sum(right) > 32  # 3 of them by chance


def test_an_encoder_that_hides_its_source_is_refused() -> None:
    model = built(KINDS[0])
    with pytest.raises(ModelError) as caught:
        model.start(drawn.encoded(model, SOURCES)._replace(source=None))
    assert str(caught.value) == (
        "`encoded` must hold its `source` to copy from, but holds None; let the encoder give it"
    )
