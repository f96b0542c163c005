"""What a recipe asks whose output is steps or notes, of a vector or of nothing."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from unspool import Ragged, recipes
from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import ChordsField, ImageField, LabelField, NotesField, RowsField, StrokesField, TextField
from unspool.tasks import ToSteps, VectorToSequence, task_of

MUSIC = [[60, 64], [], [62]]
DRAWING = [[1, 2, 0], [3, -4, 1], [2, 2, 0]]
IDS = torch.tensor([7, 9])


def task(field: Any, read: Any = None, **more: Any) -> Any:
    """Of one field, or of two."""
    given = {
        "data": {"path": "x"},
        "inputs": {} if read is None else {"asked": {"kind": read.kind}},
        "outputs": {"told": {"kind": field.kind}},
        "model": {"kind": "decoder", "embedding_size": 4, "decoder": {"cell": "GRU", "hidden_size": 6}},
        "train": {"steps": 1},
        "decode": {"sample": True},
        **more,
    }
    return task_of(recipes.load(given), {"told": field} | ({} if read is None else {"asked": read}))


def fitted(field: Any, *values: Any) -> Any:
    field.fit(values)
    return field


def digits() -> LabelField:
    return fitted(LabelField(), "a", "b", "c")  # type: ignore[no-any-return]


def strokes() -> StrokesField:
    return fitted(StrokesField(), DRAWING)  # type: ignore[no-any-return]


def built(asked: Any, longest: int = 5) -> Any:
    torch.manual_seed(0)
    return asked.build(longest_target=longest).eval()


def test_the_kind_of_what_is_written_and_the_model_say_which_task_it_is() -> None:
    for field in (NotesField(60, 64), RowsField(4, 3), strokes()):
        assert isinstance(task(field), ToSteps)
    assert isinstance(task(ChordsField(60, 64)), VectorToSequence)


def test_the_loss_counts_steps_and_micro_batches_sum_to_the_whole() -> None:
    asked = task(NotesField(60, 64), digits())
    model = built(asked)
    told = Ragged(torch.randint(2, (5, 5)).float(), [4, 1], ids=IDS)
    batch = Batch({"asked": torch.tensor([0, 2]), "told": told}, IDS)
    objective = asked.objective(model)
    assert objective.weights(batch) == {"tokens": 5.0}
    totals = objective.totals(batch)["tokens"]
    torch.testing.assert_close(totals, model.loss(batch, told))
    torch.testing.assert_close(sum(objective.totals(part)["tokens"] for part in batch.split(2)), totals)
    empty = Batch({"told": Ragged(torch.zeros(0, 5), [0], ids=[1])}, torch.tensor([1]))
    assert objective.weights(empty) == {"tokens": 0.0}


def test_pictures_are_read_as_in_training() -> None:
    asked = task(RowsField(4, 3), ImageField(8, 8, 1), model={
        "kind": "decoder", "embedding_size": 4, "decoder": {"cell": "GRU", "hidden_size": 6},
        "front": {"channels": [3]},
    })  # fmt: skip
    model = built(asked)
    told = Ragged(torch.randint(2, (8, 3)).float(), [4, 4], ids=IDS)
    batch = Batch({"asked": torch.rand(2, 1, 8, 8), "told": told}, IDS)
    assert torch.isfinite(asked.objective(model).totals(batch)["tokens"])
    pictures = [np.full((8, 8), 30 * place, np.uint8) for place in range(3)]
    answers = asked.predict(model, pictures, asked.recipe.decode)
    assert [np.array(each.text).shape for each in answers] == [(4, 3)] * 3


@pytest.mark.parametrize(
    ("field", "given", "beginning"),
    [
        (NotesField(60, 64), MUSIC, MUSIC),
        (NotesField(60, 64), "[[64, 60]]", [[60, 64]]),
        (strokes(), DRAWING, DRAWING),
        (strokes(), json.dumps(DRAWING[:1]), DRAWING[:1]),
        (RowsField(4, 3), np.array([[0, 255, 255], [255, 0, 0]], np.uint8), [[0, 255, 255], [255, 0, 0]]),
    ],
)
def test_what_is_given_is_the_beginning_of_what_is_written(field: Any, given: Any, beginning: Any) -> None:
    asked = task(field)
    model = built(asked, longest=6)
    with torch.no_grad():
        if field.kind == "strokes":
            model.emission.output.bias[-1] -= 9  # it hardly ends
    how = asked.recipe.decode
    for each in (how, how.model_copy(update={"sample": False})):
        nothing, found, *empty = asked.predict(model, [{}, given, [], None], each)
        assert np.array(found.text[: len(beginning)], dtype=object).shape == np.array(beginning, dtype=object).shape
        for one, other in zip(found.text, beginning, strict=False):
            assert one == pytest.approx(other, abs=1e-5)
        assert len(found.text) > len(beginning)
        assert all(len(every.text) == len(nothing.text) for every in empty)
        assert found.score == found.log_probability


def test_the_same_seed_gives_the_same_and_neighbours_change_nothing() -> None:
    asked = task(NotesField(60, 64), digits())
    model, how = built(asked), asked.recipe.decode
    together = asked.predict(model, ["a", "b", "a"], how)
    assert asked.predict(model, ["a", "b", "a"], how) == together
    assert asked.predict(model, ["a"], how)[0].text == together[0].text
    assert together[0].text != together[2].text  # the third is an example of its own
    other = asked.predict(model, ["a", "b", "a"], how.model_copy(update={"seed": 4}))
    assert other != together
    one, two = asked.predict(model, ["a"], how, n_best=2)[0].n_best
    assert one.text == together[0].text != two.text


def test_pieces_are_as_long_as_they_may_be() -> None:
    for field, lengths in ((NotesField(60, 64), [5, 3]), (RowsField(4, 3), [4, 4]), (strokes(), [8, 3])):
        asked = task(field)
        model, how = built(asked), asked.recipe.decode
        if field.kind == "strokes":
            with torch.no_grad():
                model.emission.output.bias[-1] -= 30
        for each, length in zip((how, how.model_copy(update={"max_length": 3})), lengths, strict=True):
            (found,) = asked.predict(model, [{}], each)
            assert len(found.text) == length
            assert not found.complete
        assert asked.predict(model, [], how) == []


@pytest.mark.parametrize("name", ["label_smoothing", "scheduled_sampling"])
def test_what_means_nothing_of_steps_is_refused(name: str) -> None:
    with pytest.raises(RecipeError) as error:
        task(NotesField(), train={"steps": 1, name: 0.25})
    assert str(error.value) == f"`train.{name}` must be 0 where steps are no tokens, but is 0.25"


def test_music_note_by_note_counts_its_steps() -> None:
    field = ChordsField(60, 64)
    asked = task(field)
    model = built(asked)
    pieces = [field.encode(MUSIC), field.encode([[60, 62, 64]])]
    batch = Batch({"told": Ragged.from_list(pieces, IDS)}, IDS)
    objective = asked.objective(model)
    assert objective.weights(batch) == {"tokens": 4.0}
    totals = objective.totals(batch)["tokens"]
    torch.testing.assert_close(totals, -model.score(batch, batch["told"]).sum().float(), rtol=1e-4, atol=1e-4)
    parts = batch.split(2)
    assert sum(objective.weights(part)["tokens"] for part in parts) == 4
    torch.testing.assert_close(sum(objective.totals(part)["tokens"] for part in parts), totals)
    text = task(fitted(TextField("characters"), "ab"))
    assert text.objective(built(text)).counted is None


def test_music_note_by_note_goes_on_from_its_opening() -> None:
    asked = task(ChordsField(60, 64))
    model, how = built(asked, longest=14), asked.recipe.decode
    with torch.no_grad():
        model.output.bias[2] -= 9  # it hardly ends
    for each in (how, how.model_copy(update={"sample": False}), how.model_copy(update={"no_repeat_ngram": 2})):
        found = asked.predict(model, [MUSIC, {}, [[64]]], each)
        assert [json.loads(one.text)[:3] for one in found[:1]] == [MUSIC]
        assert json.loads(found[2].text)[0] == [64]
        again = asked.predict(model, [MUSIC], each)
        assert again[0].text == found[0].text
        assert again[0].log_probability == pytest.approx(found[0].log_probability, rel=1e-5)
    one, two = asked.predict(model, [MUSIC], how, n_best=2)[0].n_best
    assert one.text != two.text
    assert asked.predict(model, [], how) == []


def test_a_text_goes_on_from_its_opening() -> None:
    asked = task(fitted(TextField("characters"), "abc"))
    model, how = built(asked), asked.recipe.decode
    found = asked.predict(model, ["abca", "", {}, "c"], how)
    assert [one.text.startswith(given) for one, given in zip(found, ["abca", "", "", "c"], strict=True)] == [True] * 4


@pytest.mark.parametrize("read", [True, False])
def test_what_is_drawn_piece_by_piece_is_what_is_drawn_at_once(read: bool) -> None:
    asked = task(NotesField(60, 64), digits() if read else None)
    given: list[Any] = ["a"] * 4 if read else [{}] * 4
    model, how = built(asked), asked.recipe.decode
    whole = [one.text for one in asked.predict(model, given, how)]
    assert [
        one.text for first in (0, 3) for one in asked.predict(model, given[first : first + 3], how, first=first)
    ] == whole
    assert whole[0] != whole[3]


@pytest.mark.parametrize("field", [NotesField(60, 64), strokes()], ids=str)
def test_where_nothing_may_be_written_nothing_is_told(field: Any) -> None:
    asked = task(field)
    asked._limit = lambda how: 0
    assert [each.text for each in asked.predict(built(asked), [{}, {}], asked.recipe.decode)] == [[], []]


def test_the_most_probable_steps_are_told_once() -> None:
    asked = task(NotesField(60, 64), digits())
    how = asked.recipe.decode.model_copy(update={"sample": False})
    assert len(asked.predict(built(asked), ["a"], how, n_best=3)[0].n_best) == 1
