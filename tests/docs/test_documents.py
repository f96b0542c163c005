"""What the documents show runs, in the order in which a reader meets it."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from unspool import recipes
from unspool.baselines import BASELINES, FEATURE_BASELINES, LANGUAGE_MODELS
from unspool.metrics import LIKELIHOODS, METRICS, RECOGNITIONS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(), re.DOTALL)


def test_there_is_something_to_run() -> None:
    assert len(blocks(ROOT / "README.md", "python")) > 5


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_example_runs(document: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks(document, "python")):
        block = block.replace("/tmp/", f"{tmp_path}/")
        exec(compile(block, f"{document.name}, example {number + 1}", "exec"), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_a_target_or_a_script_that_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = document.read_text()
    assert set(re.findall(r"\$ make ([a-z]+)", text)) <= targets
    for script in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / script).exists()


def test_whatever_a_recipe_can_name_is_told_somewhere() -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS if document.name != "RESULTS.md")
    formats = get_args(get_args(recipes.DataSpec.model_fields["format"].annotation)[0])
    names = [*METRICS, *LIKELIHOODS, *RECOGNITIONS, *BASELINES, *LANGUAGE_MODELS, *FEATURE_BASELINES, *formats]
    names += [name for spec in (recipes.TrainSpec, recipes.DecodeSpec) for name in spec.model_fields]
    assert [name for name in names if f"`{name}`" not in text and f"`train.{name}" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_within_the_project_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert link.startswith("https://") or (document.parent / link).exists()
