"""Sequences written from a vector."""

import pytest
import torch

from unspool import Ragged, randomness
from unspool.cells import GRU, LSTM, SCLSTM
from unspool.decode import beam_search, greedy, sample
from unspool.errors import ModelError
from unspool.models import FeaturesOf, OneOf, SequenceOf, VectorDecoder, vector_decoder

SIZES = {"act": FeaturesOf(6), "language": OneOf(3), "word": SequenceOf(9)}
SETUPS = [(LSTM, "both"), (GRU, "start"), (GRU, "steps"), (SCLSTM, "both"), (SCLSTM, "start"), (SCLSTM, "steps")]


def model(cell: type = GRU, condition: str = "both", **more: object) -> VectorDecoder:
    torch.manual_seed(0)
    return vector_decoder(
        SIZES, 11, embedding_size=4, hidden_size=5, num_layers=1 if cell is SCLSTM else 2, cell=cell,
        condition=condition, **more,
    )  # fmt: skip


def columns(rows: int = 4) -> dict[str, Ragged | torch.Tensor]:
    torch.manual_seed(1)
    word = Ragged(torch.randint(3, 9, (9,)), [3, 0, 1, 5], ids=[7, 8, 9, 10])
    acts = torch.randint(2, (4, 6)).float()
    return {"act": acts, "language": torch.tensor([0, 2, 1, 1]), "word": word}


def target() -> Ragged:
    torch.manual_seed(2)
    return Ragged(torch.randint(3, 11, (8,)), [2, 5, 0, 1], ids=[7, 8, 9, 10])


@pytest.mark.parametrize(("cell", "condition"), SETUPS)
def test_all_steps_at_once_are_those_of_stepping(cell: type, condition: str) -> None:
    made = model(cell, condition).eval()
    forced = made(columns(), target()).split()
    state, context = made.start(made.encode(columns()))
    rows = target().split()
    for row, tokens in enumerate(rows):
        one = {
            name: each.select([row]) if isinstance(each, Ragged) else each[[row]] for name, each in columns().items()
        }
        state, context = made.start(made.encode(one))
        for step, token in enumerate([1, *tokens.tolist()]):
            decoded, state = made.step(torch.tensor([token]), state, context)
            torch.testing.assert_close(decoded.output[0], forced[row][step])


@pytest.mark.parametrize(("cell", "condition"), SETUPS)
def test_the_vector_is_known_to_the_output(cell: type, condition: str) -> None:
    made, given = model(cell, condition).eval(), columns()
    other = {**given, "act": 1 - given["act"]}
    assert not torch.allclose(made(given, target()).values, made(other, target()).values)


@pytest.mark.parametrize(("cell", "condition"), SETUPS)
def test_forcing_what_was_decoded_reproduces_its_score(cell: type, condition: str) -> None:
    made = model(cell, condition).eval()
    encoded = made.encode(columns())
    for found in (
        greedy(made, encoded, max_length=9),
        [row[0] for row in beam_search(made, encoded, size=3, max_length=9)],
        sample(made, encoded, max_length=9, seed=3),
    ):
        written = Ragged.from_list([each.tokens for each in found], torch.tensor([7, 8, 9, 10]))
        for row, each in enumerate(found):
            scores = made.score(columns(), written, ended=each.complete)
            assert each.log_probability == pytest.approx(float(scores[row]), abs=1e-4)


def test_a_meaning_begins_as_the_vector_and_is_only_read_off() -> None:
    made = model(SCLSTM).eval()
    encoded = made.encode(columns())
    state, context = made.start(encoded)
    meanings = [state[-1].meaning if isinstance(state, tuple) and not hasattr(state, "meaning") else state.meaning]
    assert torch.equal(meanings[0], encoded.memory.values)
    for token in (1, 5, 6):
        _, state = made.step(torch.full((4,), token), state, context)
        now = state[-1].meaning if not hasattr(state, "meaning") else state.meaning
        assert (now.abs() <= meanings[-1].abs()).all()
        meanings.append(now)


def test_dropout_is_drawn_for_the_example_and_not_for_its_place() -> None:
    made = model(dropout=0.5).train()
    order = [2, 0, 3, 1]
    given, wanted = columns(), target()
    turned = {name: each.select(order) if isinstance(each, Ragged) else each[order] for name, each in given.items()}
    with randomness.using(seed=1, step=2):
        logits = made(given, wanted).split()
        again = made(turned, wanted.select(order)).split()
    for place, row in enumerate(order):
        torch.testing.assert_close(again[place], logits[row])


def test_without_a_sequence_rows_are_examples_by_their_place() -> None:
    made = vector_decoder({"act": FeaturesOf(6)}, 11, hidden_size=5)
    assert made.encode({"act": torch.ones(3, 6)}).memory.ids.tolist() == [0, 1, 2]
    assert made.encode({"act": torch.ones(2, 6)}, torch.tensor([5, 9])).memory.ids.tolist() == [5, 9]


def test_another_condition_is_refused() -> None:
    with pytest.raises(ModelError, match="`condition` must be one of start, steps, both, but is 'end'"):
        model(condition="end")
