"""What a recipe asks of one sequence in and another out."""

import pytest
import torch

from unspool import Ragged, recipes
from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import TextField
from unspool.tasks import SequenceToSequence

RECIPE = {
    "data": {"path": "words.tsv"},
    "inputs": {"word": {"kind": "text"}},
    "outputs": {"phones": {"kind": "text", "unit": "words"}},
    "model": {
        "embedding_size": 8,
        "encoder": {"hidden_size": 8},
        "decoder": {"hidden_size": 8},
        "attention": {"kind": "general"},
    },
    "train": {"steps": 1, "label_smoothing": 0.1},
    "decode": {"max_length_ratio": 2, "beam": 2},
}


@pytest.fixture
def task() -> SequenceToSequence:
    fields = {"word": TextField("characters"), "phones": TextField("words")}
    fields["word"].fit(["abc", "bcd"])
    fields["phones"].fit(["A B C", "B C D"])
    return SequenceToSequence(recipes.load(RECIPE), fields)


def batch() -> Batch:
    ids = torch.tensor([7, 9])
    words = Ragged(torch.tensor([3, 4, 5]), [1, 2], ids=ids)
    return Batch({"word": words, "phones": Ragged(torch.tensor([4, 4, 3, 5]), [4, 0], ids=ids)}, ids)


def test_the_loss_counts_targets_and_their_ends_and_smooths_in_training_only(task: SequenceToSequence) -> None:
    torch.manual_seed(0)
    model = task.build().eval()
    given = batch()
    plain = task.objective(model, training=False)
    assert plain.weights(given) == {"tokens": 6.0}
    source, target = given["word"], given["phones"]
    assert torch.equal(plain.totals(given)["tokens"], model.loss(source, target))
    smoothed = task.objective(model).totals(given)["tokens"]
    assert torch.equal(smoothed, model.loss(source, target, smoothing=0.1))
    assert not torch.equal(smoothed, plain.totals(given)["tokens"])


def test_micro_batches_sum_to_the_whole(task: SequenceToSequence) -> None:
    model = task.build().eval()
    objective, given = task.objective(model), batch()
    parts = given.split(2)
    assert sum(objective.weights(part)["tokens"] for part in parts) == objective.weights(given)["tokens"]
    total = sum(objective.totals(part)["tokens"] for part in parts)
    torch.testing.assert_close(total, objective.totals(given)["tokens"])


def test_outputs_are_as_long_as_the_input_allows(task: SequenceToSequence) -> None:
    model = task.build()
    end = model.get_parameter("output.bias")
    with torch.no_grad():
        end[2] = -100.0  # it never ends
    how = task.recipe.decode
    for each in (how, how.model_copy(update={"beam": 1}), how.model_copy(update={"sample": True})):
        found = task.predict(model, ["abc", "", "b"], each)
        assert [len(answer.text.split()) for answer in found] == [8, 2, 4]
        assert not any(answer.complete for answer in found)
    short = how.model_copy(update={"max_length": 3})
    assert [len(answer.text.split()) for answer in task.predict(model, ["abc", "", "b"], short)] == [3, 2, 3]
    assert task.predict(model, [], how) == []


def test_one_column_is_read_and_one_written() -> None:
    recipe = recipes.load(RECIPE | {"inputs": {"word": {}, "other": {}}})
    with pytest.raises(RecipeError) as error:
        SequenceToSequence(recipe, {})
    assert str(error.value) == "`inputs` must name one column for this model, but names word, other"
