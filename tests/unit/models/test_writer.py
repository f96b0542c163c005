"""Steps that are no tokens, told from columns or from none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from unspool import Ragged, randomness
from unspool.cells import GRU, LSTM, SCLSTM, Elman
from unspool.errors import ModelError
from unspool.models import (
    AutoregressiveEmission,
    BernoulliEmission,
    Emission,
    FeaturesOf,
    MixtureEmission,
    OneOf,
    SequenceOf,
    StepWriter,
    step_writer,
    vector_decoder,
)
from unspool.models.vec2seq import ConditionedDecoder, MeaningBridge, VectorEncoder

SIZES = {"act": FeaturesOf(6), "language": OneOf(3), "word": SequenceOf(9)}
IDS = [7, 8, 9, 10]
LENGTHS = [2, 5, 0, 1]
WIDTH = 3
EMISSIONS: dict[str, Callable[[int], Emission]] = {
    "labels": lambda size: BernoulliEmission(size, WIDTH),
    "labels together": lambda size: AutoregressiveEmission(size, WIDTH, 6),
    "strokes": lambda size: MixtureEmission(size, 2),
}
SETUPS = [
    (LSTM, "both", SIZES), (GRU, "start", SIZES), (Elman, "steps", SIZES), (SCLSTM, "both", SIZES), (GRU, "both", {}),
]  # fmt: skip
every = pytest.mark.parametrize(("cell", "condition", "sizes"), SETUPS)
emissions = pytest.mark.parametrize("emission", EMISSIONS)


def model(cell: type = GRU, condition: str = "both", sizes: Any = SIZES, emission: str = "labels", **more: Any) -> Any:
    """In float64, so that two ways to the same number differ by rounding alone."""
    torch.manual_seed(0)
    made = step_writer(
        sizes, EMISSIONS[emission], embedding_size=4, hidden_size=5, cell=cell, condition=condition,
        num_layers=1 if cell is SCLSTM else 2, **more,
    )  # fmt: skip
    return made.double()


def columns() -> dict[str, Any]:
    torch.manual_seed(1)
    word = Ragged(torch.randint(3, 9, (9,)), [3, 0, 1, 5], ids=IDS)
    return {
        "act": torch.randint(2, (4, 6)).double(), "language": torch.tensor([0, 2, 1, 1]), "word": word,
    }  # fmt: skip


def steps(emission: str = "labels") -> Ragged:
    torch.manual_seed(2)
    if emission != "strokes":
        return Ragged(torch.randint(2, (8, WIDTH)).double(), LENGTHS, ids=IDS)
    pens = torch.tensor([0, 2, 0, 1, 0, 0, 2, 2]).unsqueeze(1)
    return Ragged(torch.cat([torch.randn(8, 2), pens], 1).double(), LENGTHS, ids=IDS)


def chosen(rows: list[int]) -> dict[str, Any]:
    return {name: each.select(rows) if isinstance(each, Ragged) else each[rows] for name, each in columns().items()}


@emissions
@every
def test_all_steps_at_once_are_those_of_stepping(cell: type, condition: str, sizes: Any, emission: str) -> None:
    made, target = model(cell, condition, sizes, emission).eval(), steps(emission)
    forced = made(columns(), target).split()
    for row, wanted in enumerate(target.split()):
        state, context = made.start(made.encode(chosen([row]), torch.tensor([IDS[row]])))
        fed = torch.zeros(1, made.emission.step_size).double()
        for step in range(len(wanted)):
            decoded, state = made.decoder.step(made.read(fed), state, context)
            torch.testing.assert_close(made.emission(decoded.output)[0], forced[row][step])
            fed = made.emission.fed(wanted[step : step + 1])


@emissions
@every
def test_a_batch_of_one_is_its_row_and_the_loss_a_sum_over_rows(
    cell: type, condition: str, sizes: Any, emission: str
) -> None:
    made, target = model(cell, condition, sizes, emission).eval(), steps(emission)
    together = made(columns(), target)
    assert together.lengths.tolist() == LENGTHS
    total = 0.0
    for row, wanted in enumerate(together.split()):
        one, only = chosen([row]), target.select([row])
        torch.testing.assert_close(made(one, only).values, wanted)
        total += float(made.loss(one, only).detach())
    assert float(made.loss(columns(), target).detach()) == pytest.approx(total, rel=1e-12)


@emissions
def test_a_step_does_not_see_itself_nor_what_comes_after(emission: str) -> None:
    made, target = model(emission=emission).eval(), steps(emission)
    told = made(columns(), target).split()[1]
    changed = target.values.clone()
    changed[2 + 3] = changed[2 + 3].flip(0).abs() if emission == "strokes" else 1 - changed[2 + 3]
    changed[2 + 3, -1] = changed[2 + 3, -1].clamp(max=2).round()
    again = made(columns(), target.with_values(changed)).split()[1]
    assert torch.equal(again[:4], told[:4])
    assert not torch.allclose(again[4], told[4])


def test_the_loss_is_the_likelihood_of_pytorchs_distribution() -> None:
    made, target = model().eval(), steps()
    told = torch.distributions.Bernoulli(logits=made(columns(), target).values)
    wanted = -told.log_prob(target.values).sum()
    torch.testing.assert_close(made.loss(columns(), target), wanted)
    torch.testing.assert_close(made.loss(columns(), target, smoothing=0.3), wanted)


@every
def test_the_columns_are_known_to_every_step(cell: type, condition: str, sizes: Any) -> None:
    made, given = model(cell, condition, sizes).eval(), columns()
    other = {**given, "act": 1 - given["act"]}
    told, again = made(given, steps()).values, made(other, steps()).values
    assert torch.equal(told, again) if not sizes else bool(((told - again).abs().amax(1) > 1e-9).all())


@every
def test_gradients_reach_every_weight(cell: type, condition: str, sizes: Any) -> None:
    made = model(cell, condition, sizes).eval()
    made.loss(columns(), steps()).backward()
    assert [name for name, each in made.named_parameters() if each.grad is None or not each.grad.any()] == []


def test_dropout_is_drawn_for_the_example_and_not_for_its_place() -> None:
    made, order = model(dropout=0.5).train(), [2, 0, 3, 1]
    with randomness.using(seed=1, step=2):
        told = made(columns(), steps()).split()
        again = made(chosen(order), steps().select(order)).split()
    for place, row in enumerate(order):
        torch.testing.assert_close(again[place], told[row])
    assert not torch.allclose(made.eval()(columns(), steps()).split()[1], told[1])


def test_no_step_at_all_has_a_loss_of_nothing() -> None:
    nothing = Ragged(torch.zeros(0, WIDTH).double(), [0, 0], ids=[1, 2])
    made = model(sizes={}).eval()
    assert made({}, nothing).values.shape == (0, WIDTH)
    assert float(made.loss({}, nothing).detach()) == 0


def test_without_columns_a_vector_has_no_features_and_the_device_and_type_of_the_model() -> None:
    encoder = VectorEncoder(None)
    assert list(encoder.state_dict()) == []
    encoded = encoder({}, torch.tensor([5, 3]))
    assert (encoded.memory.values.shape, encoded.memory.lengths.tolist()) == ((2, 0), [1, 1])
    assert encoded.memory.ids.tolist() == [5, 3]
    assert encoder.double()({}, torch.arange(1)).memory.values.dtype == torch.float64
    assert encoder.to("meta")({}, torch.arange(1)).memory.device.type == "meta"


def test_a_model_of_tokens_alone_is_told_which_examples_it_has() -> None:
    torch.manual_seed(0)
    made = vector_decoder({}, 11, embedding_size=4, hidden_size=5, cell=GRU).eval()
    assert made.encode({}, torch.tensor([4, 9])).memory.ids.tolist() == [4, 9]
    with pytest.raises(ModelError) as error:
        made.encode({})
    assert str(error.value) == "`ids` must say which examples these are where no column is read, but are left out"


@pytest.mark.parametrize(
    ("cell", "condition", "decoder", "read"),
    [(GRU, "start", "Decoder", 4), (GRU, "steps", "ConditionedDecoder", 4 + 6), (SCLSTM, "both", "both", 4 + 6)],
)
def test_a_decoder_reads_the_vector_where_the_condition_says(
    cell: type, condition: str, decoder: str, read: int
) -> None:
    made = step_writer(
        {"act": FeaturesOf(6)}, EMISSIONS["labels"], embedding_size=4, hidden_size=5, cell=cell, condition=condition
    )
    assert isinstance(made, StepWriter)
    assert isinstance(made.decoder, ConditionedDecoder) == (decoder != "Decoder")
    assert isinstance(made.decoder.bridge, MeaningBridge) == (cell is SCLSTM)
    assert made.decoder.cell.input_size == read
    assert made.entry.in_features == WIDTH


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"condition": "end"}, "`condition` must be one of start, steps, both, but is 'end'"),
        ({"pooling": ()}, "`pooling` must be one or more of last, mean, max, attention, but is ()"),
    ],
)
@pytest.mark.parametrize("make", [step_writer, vector_decoder])
def test_what_can_not_be_put_together_is_told(make: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as error:
        make({"act": FeaturesOf(6)}, EMISSIONS["labels"] if make is step_writer else 11, hidden_size=5, **more)
    assert str(error.value) == message


def test_steps_of_another_width_are_told() -> None:
    made = model(sizes={})
    parameters = torch.zeros(8, WIDTH).double()
    with pytest.raises(ModelError) as error:
        made.emission.loss(parameters, torch.zeros(8, 2))
    assert str(error.value) == (
        "`target` must be steps of shape (8, 3), one for each row of `parameters`, but has shape (8, 2)"
    )
