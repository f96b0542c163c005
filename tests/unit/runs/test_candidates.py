"""A run that chooses among the answers each example offers: trained, saved, asked, measured."""

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unspool import Ragged, Run, recipes, runs
from unspool.data import Batch
from unspool.errors import DataError, RecipeError
from unspool.fields import ImageField, TextField
from unspool.models import EncoderWithCandidates, LinesOf, PositionPooling, SequenceOf, encoder_with_candidates
from unspool.models.candidates import right_places
from unspool.models.pooling import log_softmax
from unspool.runs.preparing import _token_embedding, prepared
from unspool.tasks import SequenceToCandidate

COLOURS = ["red", "green", "blue", "pale grey", "black", "white", "pink"]


def write(path: Path, rows: int = 400, colours: list[str] = COLOURS, seed: int = 0) -> Path:
    """Which of the colours offered, 1 to 4 of them, is named in the text: each row offers its own."""
    chance = random.Random(seed)
    lines = []
    for number in range(rows):
        offered = chance.sample(colours, chance.randint(1, 4))
        right = chance.choice(offered)
        lines.append({"text": f"it is {right} {number}", "offered": "\n".join(offered), "colour": right})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def recipe(path: Path, *overrides: str) -> Any:
    given = {
        "data": {"path": str(path), "split": {"by": "text", "valid": 0.2, "test": 0.2}},
        "inputs": {
            "text": {"kind": "text", "unit": "words", "min_count": 2},
            "offered": {"kind": "text", "unit": "words", "lines": True, "vocabulary": "text"},
        },
        "outputs": {"colour": {"kind": "text", "unit": "words", "vocabulary": "text"}},
        "model": {
            "kind": "encoder",
            "candidates": "offered",
            "embedding_size": 16,
            "encoder": {"cell": "GRU", "hidden_size": 16, "dropout": 0.0},
            "output_dropout": 0.0,
        },
        "train": {"epochs": 15, "examples": 16, "learning_rate": 0.01, "metric": "accuracy", "threads": 1},
        "metrics": ["accuracy"],
        "baselines": ["majority"],
    }
    return recipes.load(given, overrides)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("candidates")
    return runs.train(recipe(write(folder / "colours.jsonl")), folder / "run")


def test_it_learns_to_choose_and_is_measured_beside_a_baseline(trained: Run) -> None:
    (score,) = trained.evaluate()
    (majority,) = trained.baselines()["majority"]
    assert score.value > 90 > majority.value


def test_it_answers_with_what_was_offered_and_nothing_else(trained: Run) -> None:
    asked = [{"text": "it is pale grey", "offered": "Pale  grey\nred"}, {"text": "it is blue", "offered": "green"}]
    told = trained.predict(asked, n_best=5)
    assert [len(each.n_best) for each in told] == [2, 1]
    assert told[1].text == "green"
    assert told[1].log_probability == pytest.approx(0.0, abs=1e-6)
    assert {each.text for each in told[0].n_best} == {"Pale  grey", "red"}
    assert sum(torch.tensor(each.log_probability).exp() for each in told[0].n_best) == pytest.approx(1.0)
    again = runs.load(trained.folder.path)
    assert [each.text for each in again.predict(asked[::-1])] == [each.text for each in told][::-1]


def test_an_answer_that_is_not_offered_ends_before_training_with_one_message(tmp_path: Path) -> None:
    path = write(tmp_path / "colours.jsonl", 40)
    path.write_text(path.read_text() + json.dumps({"text": "it is", "offered": "red\nblue", "colour": "green"}) + "\n")
    with pytest.raises(DataError) as error:
        runs.train(recipe(path, "data.split.valid=0.1", "data.split.test=0"), tmp_path / "run")
    assert re.fullmatch(
        r"`colour` of the (train|valid) part in `.*colours.jsonl`: an answer must be one of its candidates, but that "
        r"of row \d+ is none of its 2; each candidate is a line of its own",
        str(error.value),
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["model.candidates=text"],
            "`model.candidates` must be an input with `lines: true` (`offered`), but is 'text'",
        ),
        (["model.candidates=ofered"], "`model.candidates` must be an input with `lines: true` (`offered`)"),
        (["outputs.colour={kind: label}"], "`outputs.colour` must be a text with `vocabulary: text`"),
        (["metrics=[accuracy, perplexity]"], "`metrics` must be without `perplexity` where an answer is one of"),
    ],
)
def test_a_recipe_whose_parts_do_not_fit_is_told_so(overrides: list[str], problem: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        recipe(write(tmp_path / "colours.jsonl", 10), *overrides)
    assert problem in str(error.value)


def test_balancing_what_has_no_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"`model.balanced` must be left out where an answer is one of"):
        runs.train(recipe(write(tmp_path / "colours.jsonl", 40), "model.balanced=true"), tmp_path / "run")


@pytest.mark.parametrize("owner", ["text", "offered"], ids=["shared", "apart"])
def test_the_embedding_of_candidates_starts_with_the_vectors_of_others(owner: str, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("".join(f"{word} {' '.join([str(value)] * 16)}\n" for value, word in enumerate(["red", "pink"])))
    shared = "null" if owner == "offered" else owner
    changes = [f"inputs.offered.vectors={vectors}", f"inputs.offered.vocabulary={shared}"]
    made = prepared(recipe(write(tmp_path / "colours.jsonl"), *changes, f"outputs.colour.vocabulary={owner}"))
    field, embedding = made.task.fields["offered"], _token_embedding(made.model, "offered")
    for value, word in enumerate(["red", "pink"]):
        assert embedding.weight[field.encode(word)].tolist() == [[value] * 16]
    assert (embedding is _token_embedding(made.model, "text")) == (owner == "text")
    assert _token_embedding(made.model, "colour") is None


@pytest.fixture
def pictured() -> SequenceToCandidate:
    """Which word fits a picture, of texts that are cut to three ids."""
    asked = recipes.load(
        {
            "data": {"path": "x"},
            "inputs": {
                "picture": {"kind": "image", "height": 8, "width": 8, "channels": 1},
                "offered": {"kind": "text", "unit": "words", "lines": True, "max_length": 3},
            },
            "outputs": {"word": {"kind": "text", "unit": "words", "vocabulary": "offered"}},
            "model": {"kind": "encoder", "candidates": "offered", "embedding_size": 4, "front": {"channels": [3]}},
            "train": {"steps": 1},
        }
    )
    words = TextField("words")
    words.fit(["red green blue"])
    fields: dict[str, Any] = {"picture": ImageField(8, 8, 1), "offered": words.by_lines().cut_to(3), "word": words}
    return SequenceToCandidate(asked, fields)


def test_a_picture_may_be_asked_about(pictured: SequenceToCandidate) -> None:
    model, fields = pictured.build().eval(), pictured.fields
    pictures = [np.full((8, 8), 90 * place, np.uint8) for place in range(2)]
    ids, offered = torch.tensor([7, 9]), ["red\ngreen", "blue"]
    batch = Batch(
        {
            "picture": torch.stack(fields["picture"].encode_many(pictures)),
            "offered": Ragged.from_list(fields["offered"].encode_many(offered), ids),
            "word": Ragged.from_list(fields["word"].encode_many(["green", "blue"]), ids),
        },
        ids,
    )
    assert torch.isfinite(pictured.objective(model, training=False).totals(batch)["tokens"])
    asked = [{"picture": each, "offered": lines} for each, lines in zip(pictures, offered, strict=True)]
    assert [len(each.n_best) for each in pictured.predict(model, asked, pictured.recipe.decode, n_best=2)] == [2, 1]


def test_candidates_that_are_cut_off_are_not_told(pictured: SequenceToCandidate) -> None:
    asked = [{"picture": np.zeros((8, 8), np.uint8), "offered": "red\ngreen\nblue"}]
    (told,) = pictured.predict(pictured.build(), asked, pictured.recipe.decode, n_best=3)
    assert {each.text for each in told.n_best} == {"red", "green"}


@pytest.fixture
def model() -> EncoderWithCandidates:
    torch.manual_seed(0)
    sizes = {"question": SequenceOf(12, "words")}, ("offered", LinesOf(12, "words"))
    return encoder_with_candidates(*sizes, embedding_size=6, hidden_size=5, pooling="attention").double().eval()


def columns(questions: list[list[int]], offered: list[list[int]]) -> dict[str, Ragged]:
    return {
        "question": Ragged.from_list([torch.tensor(each, dtype=torch.int64) for each in questions]),
        "offered": Ragged.from_list([torch.tensor(each, dtype=torch.int64) for each in offered]),
    }


def test_scores_of_an_example_do_not_depend_on_the_others(model: EncoderWithCandidates) -> None:
    questions, offered = [[3, 4], [], [7]], [[5, 2, 6, 7], [8, 2, 8, 2, 9], []]
    together = model(columns(questions, offered), torch.arange(3))
    assert together.lengths.tolist() == [2, 3, 1]  # no candidate at all is one that says nothing
    for row, scores in enumerate(together.split()):
        alone = model(columns([questions[row]], [offered[row]]), torch.tensor([row]))
        torch.testing.assert_close(alone.values, scores)
    first, second, _ = together.split()[1]
    assert first == second  # the same candidate twice


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_cross_entropy_of_each_example(model: EncoderWithCandidates, smoothing: float) -> None:
    scores = Ragged(1000 * torch.randn(6).double(), lengths=[3, 1, 2])
    right = torch.tensor([2, 0, 1])
    found = torch.nn.functional.cross_entropy
    wanted = sum(
        found(each.unsqueeze(0), place.unsqueeze(0), label_smoothing=smoothing)
        for each, place in zip(scores.split(), right, strict=True)
    )
    torch.testing.assert_close(model.loss(scores, right, smoothing), wanted)
    torch.testing.assert_close(log_softmax(scores).split()[2], scores.split()[2].log_softmax(0))


def test_right_places_name_the_example_whose_answer_is_not_offered() -> None:
    offered = Ragged(torch.tensor([5, 2, 6, 5]), lengths=[3, 1], ids=[40, 41])
    assert right_places(offered, Ragged(torch.tensor([6, 5]), lengths=[1, 1], ids=[40, 41])).tolist() == [1, 0]
    with pytest.raises(DataError, match="that of row 41 is none of its 1"):
        right_places(offered, Ragged(torch.tensor([6, 6]), lengths=[1, 1], ids=[40, 41]))


@pytest.mark.parametrize("story", [True, False])
def test_candidates_are_lines_that_may_be_read_by_their_positions(story: bool) -> None:
    read = {"story": LinesOf(12)} if story else {}
    sizes = {"question": SequenceOf(12), **read}, ("offered", LinesOf(12))
    by_positions = encoder_with_candidates(*sizes, embedding_size=6, hidden_size=5, lines="positions")
    assert isinstance(by_positions.candidates.pooling, PositionPooling)
    assert isinstance(by_positions.reader.readers[0].pooling, PositionPooling) == story
    by_encoder = encoder_with_candidates(*sizes, embedding_size=6, hidden_size=5)
    assert not isinstance(by_encoder.candidates.pooling, PositionPooling)


def test_gradients_reach_every_weight(model: EncoderWithCandidates) -> None:
    given = columns([[3, 4], [7]], [[5, 2, 6, 7], [8, 2, 9]])
    model.loss(model(given, torch.arange(2)), torch.tensor([0, 1])).backward()
    assert [name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()] == []
