"""What a recipe asks of one sequence in and another out."""

from typing import Any

import pytest
import torch

from unspool import Ragged, recipes
from unspool.data import Batch
from unspool.decode import by_risk
from unspool.errors import RecipeError
from unspool.fields import TextField
from unspool.metrics import chrf_among
from unspool.models import PointerGenerator
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


def test_by_risk_the_outputs_are_those_of_the_search_and_the_first_is_most_like_all(task: SequenceToSequence) -> None:
    torch.manual_seed(0)
    model, words = task.build(), ["abc", "b", "bcd"]
    how = task.recipe.decode.model_copy(update={"beam": 6})
    careful = how.model_copy(update={"risk": "chrf"})
    searched = task.predict(model, words, how, n_best=6)
    for n_best in (6, 2, 1):
        for plain, answer in zip(searched, task.predict(model, words, careful, n_best=n_best), strict=True):
            several = plain.n_best
            order = by_risk([each.text for each in several], [each.log_probability for each in several], chrf_among)
            expected = [(several[place].text, several[place].score) for place in order[:n_best]]
            assert [(each.text, each.score) for each in answer.n_best] == expected
            assert (answer.text, answer.score) == expected[0]
    ranked = task.predict(model, words, careful, n_best=6)
    assert [[each.text for each in one.n_best] for one in searched] != [
        [each.text for each in one.n_best] for one in ranked
    ]


def test_by_risk_as_many_are_drawn_as_the_beam_is_wide(task: SequenceToSequence) -> None:
    torch.manual_seed(0)
    model = task.build()
    drawing = task.recipe.decode.model_copy(update={"beam": 5, "sample": True})
    (drawn,) = task.predict(model, ["abc"], drawing, n_best=5)
    (chosen,) = task.predict(model, ["abc"], drawing.model_copy(update={"risk": "chrf"}))
    texts = [each.text for each in drawn.n_best]
    assert chosen.text == texts[by_risk(texts, [0.0] * 5, chrf_among)[0]]  # what is drawn weighs alike
    assert len(chosen.n_best) == 1


COPYING = {"kind": "general", "copying": True}


def copying(**inputs: str) -> Any:
    shared = {"vocabulary": "phones", **inputs}
    return recipes.load(
        RECIPE | {"inputs": {"word": shared}, "model": RECIPE["model"] | {"attention": COPYING}}  # type: ignore[operator]
    )


def test_copying_makes_a_pointer_generator_over_one_vocabulary() -> None:
    field = TextField("characters")
    field.fit(["abc"])
    model = SequenceToSequence(copying(), {"word": field, "phones": field}).build()
    assert isinstance(model, PointerGenerator)
    assert model.output.out_features == len(field)


def test_copying_needs_one_vocabulary_without_unknown_words() -> None:
    words = TextField("words")
    words.fit(["a b c"])
    with pytest.raises(RecipeError) as error:
        SequenceToSequence(copying(), {"word": words, "phones": words}).build()
    assert str(error.value) == (
        "`model.attention.copying` needs units of which none is unknown, but `word` has words, and those of no "
        "training example would be copied as ⁇; use `unit: bpe`"
    )
    apart = recipes.load(RECIPE | {"model": RECIPE["model"] | {"attention": COPYING}})  # type: ignore[operator]
    with pytest.raises(RecipeError) as error:
        SequenceToSequence(apart, {"word": words, "phones": words}).build()
    assert str(error.value) == (
        "`model.attention.copying` needs one vocabulary for `word` and `phones`; add `vocabulary: phones` to "
        "`inputs.word`"
    )


def test_no_run_of_steps_comes_twice_where_the_recipe_says_so(task: SequenceToSequence) -> None:
    model = task.build()
    end = model.get_parameter("output.bias")
    with torch.no_grad():
        end[2] = -20.0  # it hardly ends
    how = task.recipe.decode.model_copy(update={"max_length_ratio": 5})
    for changes in ({}, {"beam": 1}, {"sample": True}):
        each = how.model_copy(update=changes)
        (free,) = task.predict(model, ["abc"], each)
        (found,) = task.predict(model, ["abc"], each.model_copy(update={"no_repeat_ngram": 1}))
        assert len(free.text.split()) == 20 > len(found.text.split()) == len(set(found.text.split()))


def test_one_column_is_read_and_one_written() -> None:
    recipe = recipes.load(RECIPE | {"inputs": {"word": {}, "other": {}}})
    with pytest.raises(RecipeError) as error:
        SequenceToSequence(recipe, {})
    assert str(error.value) == "`inputs` must name one column for this model, but names word, other"


def test_what_is_drawn_piece_by_piece_is_what_is_drawn_at_once(task: SequenceToSequence) -> None:
    torch.manual_seed(0)
    model, words = task.build(), ["abc"] * 5
    how = task.recipe.decode.model_copy(update={"sample": True})
    whole = [answer.text for answer in task.predict(model, words, how)]
    pieces = [
        answer.text for first in (0, 2, 4) for answer in task.predict(model, words[first : first + 2], how, first=first)
    ]
    assert pieces == whole
    assert len(set(whole)) > 1


def test_drawings_of_neighbouring_seeds_have_nothing_in_common(task: SequenceToSequence) -> None:
    torch.manual_seed(0)
    model, how = task.build(), task.recipe.decode.model_copy(update={"sample": True, "max_length": 40})
    end = model.get_parameter("output.bias")
    with torch.no_grad():
        end[2] = -100.0
    how = how.model_copy(update={"max_length_ratio": 20})
    drawn = [
        {each.text for each in task.predict(model, ["abc"], how.model_copy(update={"seed": seed}), n_best=4)[0].n_best}
        for seed in (0, 1)
    ]
    assert not drawn[0] & drawn[1]


def test_right_answers_are_of_composed_characters_as_what_is_written(task: SequenceToSequence) -> None:
    assert task.as_text("abc", "cafe\u0301") == "caf\u00e9"
