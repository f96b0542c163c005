"""A text alone: trained in streams whose states go on, measured as a whole, and gone on from."""

import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unspool import Ragged, Run, data, parallel, recipes, runs
from unspool.baselines import KneserNey
from unspool.errors import DataError, RecipeError
from unspool.fields import TextField
from unspool.parallel import Group
from unspool.randomness import using
from unspool.recipes import Recipe
from unspool.runs.comparing import characters_of
from unspool.runs.preparing import prepared
from unspool.tasks import LanguageModelling
from unspool.training import read_records

SMALL = [
    "data.split.valid=0.1", "data.split.test=0.1", "model.embedding_size=8", "model.decoder.hidden_size=16",
    "model.decoder.num_layers=2", "train.examples=5", "train.truncate=20", "train.epochs=2", "train.threads=1",
    "train.warmup=0", "train.schedule=constant", "train.learning_rate=1e-2",
    "baselines=[kneser_ney]", "decode.max_length=30",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNSPOOL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("text"))
        yield


def written(lines: int = 400) -> Path:
    """A rhyme without end; each line its number and a word."""
    words = ["one two", "buckle my shoe", "", "three four", "knock at the door"]
    path = Path("rhyme.txt")
    path.write_text("".join(f"{words[i % 5]}, {i % 7}\n" for i in range(lines)))
    return path


def small(*more: str) -> Recipe:
    return recipes.load("babble", [f"data.path={written()}", *SMALL, *more])


@pytest.fixture(scope="module")
def run() -> Run:
    return runs.train(small(), "rhyme")


def text_of(run: Run, part: str) -> list[str]:
    lines = written().read_text().splitlines()
    return {"train": lines[:320], "valid": lines[320:360], "test": lines[360:]}[part]


def spelled(run: Run, lines: list[str]) -> Tensor:
    """Tokens with an end before the first line and after each."""
    field = run.fields["text"]
    return torch.cat([torch.tensor([2]), *(part for line in lines for part in (field.encode(line), torch.tensor([2])))])


def nats(run: Run, text: Tensor, begin: int = 0) -> float:
    """-log p of what comes after each token, read as one sequence from a place on."""
    with torch.no_grad():
        logits, _ = run.model(Ragged(text[begin:-1], [len(text) - 1 - begin]))
    return float(F.cross_entropy(logits.values, text[begin + 1 :], reduction="sum"))


def test_parts_are_cut_by_place() -> None:
    tables = data.load(**small().data.arguments())
    assert [len(tables[part]) for part in ("train", "valid", "test")] == [320, 40, 40]
    assert [each for part in tables.values() for each in part.column("text")] == written().read_text().splitlines()
    with pytest.raises(DataError, match=r"`test` of Split\(by=None.* gets none of the 400"):
        data.load(path=written(), columns=["text"], split={"by": None, "valid": 0.1, "test": 0.001})
    with pytest.raises(DataError, match=r"`salt` must be empty where rows are cut by place"):
        data.load(path=written(), columns=["text"], split={"by": None, "salt": "a"})


def test_it_learns_and_says_how_much_in_bits_and_perplexity(run: Run) -> None:
    bits, perplexity = run.evaluate()
    text = spelled(run, text_of(run, "test"))
    characters = sum(len(line) + 1 for line in text_of(run, "test"))
    assert characters == len(text) - 1
    # Cut into sixteen rows, each of which begins with no state.
    bounds = [number * characters // 16 for number in range(17)]
    total = sum(nats(run, text[a : b + 1]) for a, b in pairwise(bounds))
    assert bits.value == pytest.approx(total / characters / math.log(2), rel=1e-5)
    assert perplexity.value == pytest.approx(math.exp(total / characters), rel=1e-5)
    assert bits.value < 3.5  # of 24 characters at random it is 4.6
    losses = [line["loss"] for line in read_records("rhyme/metrics.jsonl")]
    assert losses[-1] < 0.7 * losses[0]


def test_a_text_is_measured_in_pieces_and_is_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run.evaluate()
    monkeypatch.setattr("unspool.tasks.language._STEPS", 7)
    assert [score.value for score in run.evaluate()] == pytest.approx([score.value for score in whole], rel=1e-6)


def test_a_baseline_counts_the_same_characters(run: Run) -> None:
    field = run.fields["text"]
    model = KneserNey(len(field))  # type: ignore[arg-type]
    rows = {part: [field.encode(line) for line in text_of(run, part)] for part in ("train", "test")}
    model.fit(Ragged.from_list(rows["train"]))
    told = model.log_probabilities(Ragged.from_list(rows["test"])).values
    found = {score.name: score.value for score in run.baselines()["kneser_ney"]}
    assert found["bits_per_character"] == pytest.approx(-float(told.mean()) / math.log(2))
    assert len(told) == sum(len(line) + 1 for line in text_of(run, "test"))


def test_streams_carry_their_states_through_the_text(run: Run) -> None:
    made = prepared(small(), run.fields)
    made.model.load_state_dict(run.model.state_dict())
    objective = made.task.objective(made.model)
    text = spelled(run, text_of(run, "train"))
    bounds = [number * (len(text) - 1) // 5 for number in range(6)]
    expected = sum(nats(run, text[a : b + 1]) for a, b in pairwise(bounds))
    total = 0.0
    with torch.no_grad(), using(seed=0, step=0):
        made.model.eval()
        for (epoch, _), batch in made.batches((0, 0)):
            total += float(objective.totals(batch)["tokens"])
            if epoch:
                break
    assert total == pytest.approx(expected, rel=1e-5)


def test_it_goes_on_as_if_it_had_never_stopped(run: Run) -> None:
    runs.train(small("train.steps=30"), "cut")
    assert len(read_records("cut/metrics.jsonl")) == 30
    recipe = Path("cut/recipe.yaml")
    recipe.write_text(recipe.read_text().replace("steps: 30", "steps: null"))
    runs.train(recipes.load(recipe), "cut", resume=True)
    first, second = ([line["loss"] for line in read_records(f"{name}/metrics.jsonl")] for name in ("rhyme", "cut"))
    assert first == second


class OneOf(Group):
    """One of several ranks, alone."""


@pytest.mark.parametrize("size", [2, 3, 7])
def test_ranks_have_streams_of_their_own(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prepared(small())
    whole = [batch for _, batch in zip(range(9), (each for _, each in made.batches((0, 0))), strict=False)]
    seen: list[dict[int, Tensor]] = [{} for _ in whole]
    for rank in range(size):
        monkeypatch.setattr(parallel, "current", lambda rank=rank: OneOf(rank, size))
        own = set()
        for number, (_, batch) in zip(range(9), made.batches((0, 0)), strict=False):
            if batch is None:
                assert rank >= 5
                continue
            own.add(tuple(batch.ids.tolist()))
            seen[number] |= zip(batch.ids.tolist(), batch["targets"].split(), strict=True)
        assert len(own) <= 1  # the same ones in each piece
    for batch, found in zip(whole, seen, strict=True):
        assert sorted(found) == batch.ids.tolist()
        assert all(torch.equal(found[row], each) for row, each in enumerate(batch["targets"].split()))


def test_it_goes_on_from_an_opening_over_lines(run: Run) -> None:
    opening = "one two, 3\nbuckle"
    asked = [opening, "", None, opening]
    found = run.predict(asked, seed=3, temperature=1.0)
    assert found[0].text.startswith(opening)
    for value, each in zip(asked, found, strict=True):
        assert len(each.text) == len(value or "") + 30
        assert "⁇" not in each.text
    assert "\n" in found[1].text
    assert found[0].text != found[3].text  # drawn by the place in the list
    assert [each.text for each in run.predict(asked, seed=3, temperature=1.0)] == [each.text for each in found]
    assert run.predict([opening], seed=3, temperature=1.0)[0].text == found[0].text
    several = run.predict([opening], n_best=3)[0].n_best
    assert len({each.text for each in several}) == 3


def test_its_best_token_at_each_step_is_that_of_the_whole_text(run: Run) -> None:
    (found,) = run.predict(["knock at"], sample=False, max_length=8)
    text = spelled(run, found.text.split("\n"))[:-1]
    with torch.no_grad():
        logits, _ = run.model(Ragged(text[:-1], [len(text) - 1]))
    best = logits.values.clone()
    best[:, :2] = -torch.inf
    assert best.argmax(1)[-8:].tolist() == text[-8:].tolist()
    logs = logits.values.log_softmax(1).gather(1, text[1:].unsqueeze(1))
    assert found.log_probability == pytest.approx(float(logs.sum()), rel=1e-5)


def test_the_folder_shows_a_text_and_says_what_is_read(run: Run) -> None:
    assert Path("rhyme/predictions/sample.txt").read_text().count("\n") >= 1
    assert "Reads an opening, or nothing, writes `text`" in Path("rhyme/README.md").read_text()


@pytest.mark.parametrize("unit", ["words", "bpe"])
def test_words_and_pieces_have_their_bits_per_character(unit: str) -> None:
    size = ["outputs.text.size=270"] if unit == "bpe" else []
    run = runs.train(small(f"outputs.text.unit={unit}", *size, "train.epochs=1"), unit)
    bits, perplexity = run.evaluate()
    text = spelled(run, text_of(run, "test"))
    characters = sum(len(line) + 1 for line in text_of(run, "test"))
    assert bits.value == pytest.approx(math.log2(perplexity.value) * (len(text) - 1) / characters, rel=1e-5)
    assert run.predict(["buckle"], max_length=5)[0].text.startswith("buckle")


@pytest.mark.parametrize(
    ("field", "characters"),
    [
        (TextField("characters"), 20),
        (TextField("characters", lines=True), 20),
        (TextField("words"), 16),
        (TextField("words", lines=True), 16),
        (TextField("words", split_punctuation=True), 16),
        (TextField("bpe", 270), 16),
        (TextField("characters", lowercase=True), 21),
    ],
)
def test_characters_are_counted_as_tokens_spell_them(field: TextField, characters: int) -> None:
    texts = ["  cafe\u0301\t au,\n la", "\u0130t", ""]  # an accent of its own; a letter that is two in lower case
    field.fit(texts)
    spelled = [field.decode(field.encode(text)) for text in texts]
    table = data.Table.from_rows([{"text": text} for text in texts])
    task: Any = SimpleNamespace(fields={"text": field}, target="text")
    assert characters_of(table, task) == sum(len(text) + 1 for text in spelled) == characters


def test_more_streams_than_targets_are_fewer() -> None:
    made = prepared(small("train.examples=100000", "train.epochs=null", "train.steps=1"))
    assert isinstance(made.task, LanguageModelling)
    (_, batch) = next(made.batches((0, 0)))
    assert batch is not None
    assert (batch["targets"].lengths == 1).all()  # type: ignore[union-attr]
    assert np.array_equal(batch["inputs"].lengths, batch["targets"].lengths)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.truncate=null", "`train.truncate` must say how many steps a stretch of text has"),
        ("metrics=[bleu]", "`metrics` must be without `bleu` where nothing is asked"),
        ("outputs.text={kind: label}", "`outputs` must name one text"),
        ("inputs.word={kind: text}", "`inputs` must be left out"),
        ("train.scheduled_sampling=0.5", "`train.scheduled_sampling` must be 0"),
        ("model={kind: decoder}", "`train.truncate` must be null where `model.kind` is not language-model"),
    ],
)
def test_recipes_that_fit_no_text_are_refused(change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        small(change, "train.metric=loss")


def test_bits_per_character_are_of_texts() -> None:
    with pytest.raises(RecipeError, match="`metrics` must be without `bits_per_character` where what is written is no"):
        recipes.load("compose", ["metrics=[bits_per_character]", "train.metric=loss"])
