"""Steps that are no tokens, drawn one after another: the model's own distribution, openings, limits."""

import itertools
from typing import Any

import pytest
import torch

from unspool import Ragged
from unspool.cells import GRU
from unspool.decode import write_steps
from unspool.errors import DecodingError
from unspool.models import BernoulliEmission, MixtureEmission, OneOf, step_writer
from unspool.models.encoder import Encoded

WIDTH = 2
IDS = torch.tensor([12, 5, 40])
kinds = pytest.mark.parametrize("kind", ["labels", "strokes"])


def model_of(kind: str = "labels", sizes: Any = None) -> Any:
    """A model in float64 whose steps hang on those before them."""
    torch.manual_seed(3)
    make = {"labels": lambda size: BernoulliEmission(size, WIDTH), "strokes": lambda size: MixtureEmission(size, 2)}
    sizes = {"digit": OneOf(4)} if sizes is None else sizes
    made = step_writer(sizes, make[kind], embedding_size=4, hidden_size=6, cell=GRU).double().eval()
    with torch.no_grad():
        made.emission.output.weight *= 3
        if kind == "strokes":
            made.emission.output.bias[-1] -= 2  # ends come late
    return made


def encoded(model: Any, rows: tuple[int, ...] = (0, 1, 2)) -> Encoded:
    digits = torch.tensor([2, 0, 3])
    with torch.no_grad():
        return model.encode({"digit": digits[list(rows)]}, IDS[list(rows)])


def loss(model: Any, row: int, steps: torch.Tensor) -> float:
    target = Ragged(steps, [len(steps)], ids=IDS[[row]])
    return float(model.loss({"digit": torch.tensor([[2, 0, 3][row]])}, target).detach())


def opening(*steps: torch.Tensor) -> Ragged:
    return Ragged(torch.cat(steps), [len(each) for each in steps])


def same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one.steps, other.steps)
    assert one.nats == pytest.approx(other.nats, rel=1e-12)
    assert one.complete == other.complete


@kinds
@pytest.mark.parametrize("best", [False, True])
def test_what_is_written_depends_on_the_example_alone(kind: str, best: bool) -> None:
    model = model_of(kind)
    together = write_steps(model, encoded(model), max_length=9, best=best)
    for row in range(3):
        same(write_steps(model, encoded(model, (row,)), max_length=9, best=best)[0], together[row])
    for one, other in zip(
        write_steps(model, encoded(model, (2, 0, 1)), max_length=9, best=best), together[2:] + together[:2], strict=True
    ):
        same(one, other)


@kinds
def test_the_same_seed_gives_the_same_and_another_another(kind: str) -> None:
    model = model_of(kind)
    first, again = (write_steps(model, encoded(model), max_length=9, seed=4) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        same(one, other)
    other = write_steps(model, encoded(model), max_length=9, seed=5)
    assert any(
        one.steps.shape != each.steps.shape or not torch.equal(one.steps, each.steps)
        for one, each in zip(first, other, strict=True)
    )


@kinds
@pytest.mark.parametrize("best", [False, True])
def test_forcing_what_was_written_costs_its_nats_step_by_step(kind: str, best: bool) -> None:
    model = model_of(kind)
    for row, whole in enumerate(write_steps(model, encoded(model), max_length=7, best=best, seed=1)):
        assert whole.nats == pytest.approx(loss(model, row, whole.steps), rel=1e-9)
        left, total = whole.nats, 0.0
        for known in range(1, len(whole.steps) + 1):
            (written,) = write_steps(
                model, encoded(model, (row,)), max_length=7, best=best, seed=1, opening=opening(whole.steps[:known])
            )
            torch.testing.assert_close(written.steps, whole.steps)  # the same draws, after the same steps
            total += left - written.nats
            left = written.nats
        assert total == pytest.approx(whole.nats, rel=1e-9)
        assert left == 0


@kinds
def test_an_opening_is_the_beginning_and_neighbours_have_their_own(kind: str) -> None:
    model = model_of(kind)
    torch.manual_seed(0)
    wide = WIDTH if kind == "labels" else 3
    given = [torch.randint(2, (length, wide)).double() for length in (4, 0, 1)]
    together = write_steps(model, encoded(model), max_length=6, opening=opening(*given))
    for row, steps in enumerate(given):
        assert torch.equal(together[row].steps[: len(steps)], steps)
        (alone,) = write_steps(model, encoded(model, (row,)), max_length=6, opening=opening(steps))
        same(alone, together[row])
    same(together[1], write_steps(model, encoded(model), max_length=6)[1])
    whole = loss(model, 0, together[0].steps)
    assert together[0].nats == pytest.approx(whole - loss(model, 0, given[0]), rel=1e-9)


def test_an_opening_that_ends_is_gone_on_from_no_more() -> None:
    model = model_of("strokes")
    given = torch.tensor([[1.0, 2, 0], [0, 1, 2], [3, 3, 0]]).double()
    (found,) = write_steps(model, encoded(model, (0,)), max_length=9, opening=opening(given))
    assert torch.equal(found.steps, given[:2])
    assert (found.nats, found.complete) == (0, True)


def test_the_best_steps_are_those_of_trying_all() -> None:
    model = model_of()
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=WIDTH))).double()
    (found,) = write_steps(model, encoded(model, (1,)), max_length=5, best=True)
    for time in range(5):
        costs = [loss(model, 1, torch.cat([found.steps[:time], step.unsqueeze(0)])) for step in every]
        assert torch.equal(every[costs.index(min(costs))], found.steps[time])


def test_draws_are_of_the_models_distribution() -> None:
    model, rows = model_of(), 6000
    with torch.no_grad():
        source = model.encode({"digit": torch.full((rows,), 2)}, torch.arange(rows))
    found = torch.stack([each.steps.flatten() for each in write_steps(model, source, max_length=2)])
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2 * WIDTH))).double()
    counts = torch.tensor([int((found == each).all(1).sum()) for each in every]).double()
    expected = rows * torch.tensor([-loss(model, 0, each.reshape(2, WIDTH)) for each in every]).double().exp()
    assert float(expected.sum()) == pytest.approx(rows)
    assert float(((counts - expected).square() / expected).sum()) < 37.7  # the 99.9th percentile of 15 degrees


def test_a_low_temperature_gives_the_best() -> None:
    for kind in ("labels", "strokes"):
        model = model_of(kind)
        best = write_steps(model, encoded(model), max_length=5, best=True)
        drawn = write_steps(model, encoded(model), max_length=5, temperature=1e-9)
        for one, other in zip(drawn, best, strict=True):
            torch.testing.assert_close(one.steps, other.steps, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("kind", "width"), [("labels", WIDTH), ("strokes", 3)])
def test_no_steps_are_as_wide_as_some(kind: str, width: int) -> None:
    model = model_of(kind)
    none, some, _ = write_steps(model, encoded(model), max_length=torch.tensor([0, 3, 0]))
    assert (none.steps.shape, some.steps.shape[1], none.steps.dtype) == ((0, width), width, some.steps.dtype)


def test_limits_hold_for_each_and_a_drawing_may_end_before() -> None:
    model = model_of()
    found = write_steps(model, encoded(model), max_length=torch.tensor([3, 0, 5]))
    assert [len(each.steps) for each in found] == [3, 0, 5]
    assert [each.complete for each in found] == [False] * 3
    assert found[1].nats == 0
    strokes = model_of("strokes")
    with torch.no_grad():
        strokes.emission.output.bias[-1] += 4
    for each in write_steps(strokes, encoded(strokes), max_length=50):
        assert each.complete == (each.steps[-1, 2] == 2)
        assert not (each.steps[:-1, 2] == 2).any()
        assert len(each.steps) < 50


def test_nothing_to_read_and_none_to_write() -> None:
    model = model_of(sizes={})
    found = write_steps(model, model.encode({}, IDS), max_length=3)
    assert [each.steps.shape for each in found] == [(3, WIDTH)] * 3
    assert write_steps(model, model.encode({}, IDS[:0]), max_length=3) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": -1}, "`max_length` must be at least 0, but is -1"),
        (
            {"max_length": torch.tensor([3, 3])},
            "`max_length` must be a whole number, or one for each of the 3 sequences, but is tensor([3, 3])",
        ),
        ({"temperature": 0.0}, "`temperature` must be above 0 and finite, but is 0.0; `best` gives the likeliest step"),
        (
            {"opening": opening(torch.zeros(1, WIDTH))},
            "`opening` must have a sequence for each of the 3 that are decoded, but has 1; an empty one gives nothing",
        ),
    ],
)
def test_what_can_give_no_steps_is_refused(options: dict[str, Any], message: str) -> None:
    model = model_of()
    with pytest.raises(DecodingError) as error:
        write_steps(model, encoded(model), **{"max_length": 3, **options})
    assert str(error.value) == message
