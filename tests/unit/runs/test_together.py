"""Several runs that answer together."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.runs.toy import toy, write_words

from unspool import runs
from unspool.errors import RunError
from unspool.metrics import text_chrf
from unspool.runs import Run

ASKED = ["abcd", "edcba", "aa", "bead"]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Runs of other seeds, sizes and vocabularies, which all are far from sure."""
    folder = tmp_path_factory.mktemp("three")
    words = write_words(folder / "words.tsv")
    changes: list[list[str]] = [[], ["seed=1"], ["outputs.phones.unit=characters", "model.embedding_size=8"]]
    how = ["decode.risk=chrf", "decode.beam=4", "metrics=[chrf, wer]", "train.epochs=1"]
    return [runs.train(toy(words, *how, *more), folder / f"run{n}") for n, more in enumerate(changes)]


def folders(three: list[Run]) -> list[Path]:
    return [run.folder.path for run in three]


def expected(three: list[Run], question: str) -> list[str]:
    """All outputs of the runs, best first, from the formula."""
    chances: dict[str, float] = {}
    for run in three:
        (alone,) = run.predict([question], risk=None, n_best=4)
        powers = [math.exp(one.log_probability) for one in alone.n_best]
        for one, power in zip(alone.n_best, powers, strict=True):
            chances[one.text] = chances.get(one.text, 0.0) + power / sum(powers)
    return sorted(chances, key=lambda text: -sum(chances[z] * text_chrf(text, z) for z in chances))


def test_of_all_outputs_the_one_that_is_most_like_all_is_told(three: list[Run]) -> None:
    joint = runs.together(*folders(three))
    found = joint.predict(ASKED, n_best=4)
    for question, answer in zip(ASKED, found, strict=True):
        told = expected(three, question)
        assert [one.text for one in answer.n_best] == told[:4]
        assert answer.text == told[0]
    alone = [[answer.text for answer in run.predict(ASKED)] for run in three]
    assert [answer.text for answer in found] not in alone  # else this shows nothing


def test_a_run_with_itself_answers_as_alone(three: list[Run]) -> None:
    run = three[0]
    twice = runs.together(run.folder.path, run.folder.path)
    assert [answer.text for answer in twice.predict(ASKED)] == [answer.text for answer in run.predict(ASKED)]
    drawn = twice.predict(ASKED, sample=True, seed=3, beam=5)
    assert [answer.text for answer in drawn] == [a.text for a in run.predict(ASKED, sample=True, seed=3, beam=5)]
    assert type(runs.together(run.folder.path)) is Run


def test_they_are_measured_and_compared_as_one_run(three: list[Run]) -> None:
    joint = runs.together(*folders(three))
    reached = {score.name: score.value for score in joint.evaluate("valid")}
    kept = [json.loads(line) for line in (three[0].folder.predictions / "valid.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in kept] == [a.text for a in joint.predict([row["input"] for row in kept])]
    assert reached.keys() == {"chrf", "wer"}
    assert repr(joint).startswith("Together([Run(")


def test_the_command_line_takes_several(three: list[Run], unspool_: Callable[..., Any], tmp_path: Path) -> None:
    first, second, third = folders(three)
    joint = runs.together(first, second, third)
    (tmp_path / "asked.txt").write_text("".join(f"{each}\n" for each in ASKED))
    told = unspool_("predict", first, tmp_path / "asked.txt", "--with", second, "--with", third).out
    assert told.splitlines() == [answer.text for answer in joint.predict(ASKED)]
    printed = unspool_("evaluate", first, "--part", "valid", "--with", second, "--with", third).out
    assert str(joint.evaluate("valid")[0]) in printed


def test_mistakes_are_named(three: list[Run], tmp_path: Path) -> None:
    joint = runs.together(*folders(three))
    assert [each.text for each in joint.predict(ASKED, risk=None)] == [each.text for each in joint.predict(ASKED)]
    with pytest.raises(RunError) as error:
        joint.evaluate("valid", ["metrics=[chrf, perplexity]"])
    assert str(error.value) == (
        "`metrics` must be without perplexity where several runs answer together: how probable an answer is each of "
        "them says otherwise"
    )
    words = write_words(tmp_path / "words.tsv", 60)
    words.write_text(words.read_text().replace("word\tphones", "name\tphones"))
    changes = ["data.split.by=name", "inputs={name: {kind: text, unit: characters}}", "train.epochs=null"]
    other = runs.train(toy(words, *changes, "train.steps=1"), tmp_path / "other")
    with pytest.raises(RunError) as error:
        runs.together(three[0].folder.path, other.folder.path)
    assert str(error.value) == (
        f"`{other.folder.path}` must read word and tell phones as `{three[0].folder.path}` does, but reads name and "
        "tells phones"
    )
    labels = ["outputs={phones: {kind: label}}", "model={kind: encoder}", "metrics=[accuracy]"]
    few = tmp_path / "few.tsv"
    few.write_text("word\tphones\n" + "".join(f"{number}\t{'AB'[number % 2]}\n" for number in range(60)))
    told = runs.train(toy(few, *labels, "train.steps=1"), tmp_path / "labels")
    with pytest.raises(RunError) as error:
        runs.together(three[0].folder.path, told.folder.path)
    assert str(error.value) == (
        f"`{told.folder.path}` must tell a text to answer together with others, but `phones` is a LabelField"
    )
    with pytest.raises(RunError, match="`runs` must be at least one, but are none"):
        runs.Together([])
