"""The columns a task reads and writes, as models take them."""

from typing import Any

import pytest
import torch

from unspool import Ragged, recipes
from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import (
    ChordsField,
    ImageField,
    LabelField,
    NumberField,
    QuantilesField,
    SeriesField,
    TextField,
    VideoField,
)
from unspool.models import FeaturesOf, PictureOf, StepsOf, reader
from unspool.tasks import SequenceToSequence
from unspool.tasks.columns import shown, sizes, source_size, token_field

IDS = torch.tensor([7, 9])


def test_pictures_are_sequences_of_one_step_that_know_their_example() -> None:
    pictures, labels = torch.rand(2, 3, 4, 5), torch.tensor([1, 0])
    words = Ragged(torch.tensor([3, 4, 5]), [1, 2], ids=IDS)
    batch = Batch({"picture": pictures, "label": labels, "word": words}, IDS)
    found = shown(batch, ["picture", "label", "word"])
    assert isinstance(found["picture"], Ragged)
    assert torch.equal(found["picture"].values, pictures)
    assert found["picture"].lengths.tolist() == [1, 1]
    assert found["picture"].ids.tolist() == found.ids.tolist() == [7, 9]
    assert found["label"] is labels
    assert found["word"] is words
    assert shown(batch, ["label", "word"]) is batch
    assert shown(Batch({}, IDS), ()).ids is IDS


class Asked:
    """As much of a task as sizes are told from."""

    sources = ("x",)
    recipe = recipes.load(
        {"data": {"path": "x"}, "inputs": {"x": {}}, "outputs": {"y": {}}, "train": {"steps": 1}}
    )  # fmt: skip

    def __init__(self, field: Any) -> None:
        self.fields = {"x": field}


class Odd:
    """A field of one's own, of values that no reader here knows."""

    shape = "vector"

    def fit(self, values: Any) -> None:
        pass


def fitted(field: Any, *values: Any) -> Any:
    field.fit(values)
    return field


def test_an_encoder_is_told_how_many_ids_there_are_or_what_a_step_is() -> None:
    text = fitted(TextField("characters"), "abc")
    series = fitted(SeriesField(), [[0.0, 1.0], [2.0, 3.0]])
    known: list[tuple[Any, Any]] = [
        (text, len(text)),
        (ChordsField(60, 64), 9),
        (series, StepsOf((2,))),
        (ImageField(4, 5, 3), PictureOf((3, 4, 5))),
        (VideoField(height=4, width=5, channels=1), StepsOf((1, 4, 5))),
    ]
    for field, size in known:
        found = source_size(Asked(field), "x")  # type: ignore[arg-type]
        assert (found, type(found)) == (size, type(size))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (LabelField(), "`inputs.x` must be a sequence for this model, but is a LabelField"),
        (NumberField(), "`inputs.x` must be a sequence for this model, but is a NumberField"),
        (
            Odd(),
            "`inputs.x` must be a text, a label, a vector of known length or steps of known shape to be read here, but "
            "is a Odd",
        ),
    ],
)
def test_what_is_no_sequence_is_told(field: Any, message: str) -> None:
    field.fit(["a", "b"] if isinstance(field, LabelField) else [1.0, 2.0])
    with pytest.raises(RecipeError) as error:
        source_size(Asked(field), "x")  # type: ignore[arg-type]
    assert str(error.value) == message


@pytest.mark.parametrize("field", [NumberField(), QuantilesField()], ids=str)
def test_a_number_is_read_as_one_whatever_would_be_told_of_it(field: Any) -> None:
    asked: Any = Asked(fitted(field, 1.0, 3.0))
    assert sizes(asked) == {"x": FeaturesOf(1)}
    read = reader(sizes(asked))({"x": torch.stack(field.encode_many([1.0, 3.0]))})
    assert read.vector.tolist() == [[-1.0], [1.0]]


def test_texts_and_music_note_by_note_are_written_token_by_token() -> None:
    fields: dict[str, Any] = {"text": TextField("words"), "music": ChordsField(), "label": LabelField()}
    assert token_field(fields, "text") is fields["text"]
    assert token_field(fields, "music") is fields["music"]
    with pytest.raises(RecipeError) as error:
        token_field(fields, "label")
    assert str(error.value) == "`label` must be a text field to be read or written here, but is a LabelField"


def test_one_sequence_is_read_from_a_batch_and_a_picture_is_one() -> None:
    fields: dict[str, Any] = {"x": ImageField(4, 5, 1), "y": fitted(TextField("characters"), "ab")}
    task = SequenceToSequence(Asked.recipe, fields)
    found = task.source(Batch({"x": torch.rand(2, 1, 4, 5)}, IDS))
    assert found.lengths.tolist() == [1, 1]
