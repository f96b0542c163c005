"""A recipe tried out, or printed, before it is trained."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from unit.runs.toy import toy

from unspool import Run, recipes, runs
from unspool.errors import TrainingError
from unspool.runs import dry_run


def test_a_dry_run_says_what_to_expect_and_writes_no_run(
    words: Path, trained: Run, tmp_path: Path, unspool_: Callable[..., Any]
) -> None:
    toy(words)
    result = unspool_("train", words.with_suffix(".yaml"), "train.epochs=100", "--dry-run", "--run", "run")
    assert result.code == 0
    lines = result.out.splitlines()
    count = sum(each.numel() for each in trained.model.parameters())
    assert lines[0] == f"EncoderDecoder: {count:,} parameters"
    shapes = {name: tuple(each.shape) for name, each in trained.model.named_parameters()}
    assert lines[1 : 1 + len(shapes)] == [f"  {name}  {shape}" for name, shape in shapes.items()]
    examples = trained.folder.about()["examples"]
    assert [f"{part}: {size} rows" for part, size in examples.items()] == lines[1 + len(shapes) : -4]
    assert re.fullmatch(
        r"lengths in tokens: word 1 to 6 \(median 4\), phones 1 to 6 \(median 4\); \d\d batches an epoch", lines[-4]
    )
    learned = re.fullmatch(r"one batch \(Batch\(.*\)\) learned 30 times: loss (.*) to (.*)", lines[-3])
    assert learned, lines[-3]
    assert float(learned[2]) < 0.7 * float(learned[1])
    assert re.fullmatch(r"a step takes about .* s: an epoch about .* minutes, the whole training about \d+", lines[-2])
    memory = re.fullmatch(r"peak memory so far: ([\d,]+) MB", lines[-1])
    assert memory, lines[-1]
    assert 50 < int(memory[1].replace(",", "")) < 100_000
    assert not list(tmp_path.iterdir())


def test_a_dry_run_tells_what_a_run_would_start_from(words: Path, trained: Run) -> None:
    said = dry_run(toy(words, f"train.init={trained.folder.path}"))
    assert f"from `{trained.folder.path / 'model.safetensors'}`" in said


def test_a_network_that_learns_nothing_is_told(words: Path) -> None:
    rates = ("model.embedding_dropout", "model.output_dropout", "model.encoder.dropout")
    recipe = toy(words, "train.learning_rate=1e-12", *(f"{rate}=0" for rate in rates))
    with pytest.raises(TrainingError) as error:
        dry_run(recipe)
    assert re.fullmatch(
        r"`loss` on one batch must fall when it is learned by heart, but went from 2\.\d+ to 2\.\d+ in 30 steps; "
        r"try another `learning_rate` \(now 1e-12\)",
        str(error.value),
    )


def test_what_print_config_prints_trains_the_same_network(
    words: Path, trained: Run, tmp_path: Path, unspool_: Callable[..., Any]
) -> None:
    toy(words)
    printed = unspool_("train", words.with_suffix(".yaml"), "--print-config").out
    (tmp_path / "all.yaml").write_text(printed)
    assert recipes.load("all.yaml") == trained.recipe
    assert unspool_("train", "all.yaml", "--print-config").out == printed
    assert (trained.folder.path / "recipe.yaml").read_text() == printed
    assert unspool_("train", "all.yaml", "--run", "run").code == 0
    for name in ("model.safetensors", "fields.json", "recipe.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (trained.folder.path / name).read_bytes()


def test_nothing_of_a_training_depends_on_torchs_generator(words: Path, trained: Run, tmp_path: Path) -> None:
    torch.manual_seed(123)
    again = runs.train(toy(words), tmp_path / "run")
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*map(tensors, (again, trained)), strict=True))


def tensors(run: Run) -> list[torch.Tensor]:
    return list(run.model.state_dict().values())
