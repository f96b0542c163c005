"""Several runs that answer together: of the outputs of all, the one that is most like all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from unspool import parallel
from unspool.data import Table
from unspool.decode import by_risk
from unspool.errors import RunError
from unspool.fields import TextField
from unspool.metrics import LIKELIHOODS
from unspool.recipes import DecodeSpec, Recipe
from unspool.runs.run import Run, load
from unspool.tasks import Prediction
from unspool.tasks.seq2seq import LIKENESS, sought, weights_of


class Together(Run):
    """Runs that answer the same questions, trained from other seeds, recipes or vocabularies.

    Each looks for outputs by itself; of all these the one is told that is most like all of them (minimum Bayes risk),
    each weighted by its probability among those of its run, and each run alike. Networks that learned by other chances
    make other mistakes, and agree where they are right.

    Args:
        runs: whose inputs and output have the same names, the output a text. The first one's recipe says how to decode,
            by the risk of chrF where it names none, and what to measure on which data; predictions are kept in its
            folder.

    Raises:
        RunError: no runs, other columns, or an output that is no text.

    Reference:
        González-Rubio et al. (2011), "Minimum Bayes-risk system combination".
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise RunError("`runs` must be at least one, but are none")
        first = runs[0]
        super().__init__(first.folder, first.recipe, first.model, first.task)
        self.runs = tuple(runs)
        columns = set(first.task.sources), first.task.target
        for run in runs[1:]:
            if (set(run.task.sources), run.task.target) != columns:
                reads, read = (", ".join(each.task.sources) or "nothing" for each in (first, run))
                raise RunError(
                    f"`{run.folder.path}` must read {reads} and tell {first.task.target} as "
                    f"`{first.folder.path}` does, but reads {read} and tells {run.task.target}"
                )
        for run in runs:
            if not isinstance(target := run.fields[run.task.target], TextField):
                raise RunError(
                    f"`{run.folder.path}` must tell a text to answer together with others, but `{run.task.target}` is "
                    f"a {type(target).__name__}"
                )

    def answers(
        self, values: Sequence[Any], how: DecodeSpec, *, n_best: int = 1, attention: bool = False, first: int = 0
    ) -> list[Prediction]:
        how = how.model_copy(update={"risk": how.risk or "chrf"})
        alone, several = how.model_copy(update={"risk": None}), sought(how, n_best)
        found = [run.answers(values, alone, n_best=several, attention=attention, first=first) for run in self.runs]
        return parallel.current().each(lambda each: _ranked(each, how, n_best), zip(*found, strict=True))

    def _measured(self, part: str, overrides: Sequence[str]) -> tuple[Recipe, dict[str, Table]]:
        recipe, tables = super()._measured(part, overrides)
        if unknown := [name for name in recipe.metrics if name in LIKELIHOODS]:
            raise RunError(
                f"`metrics` must be without {unknown[0]} where several runs answer together: how probable an answer is "
                "each of them says otherwise"
            )
        return recipe, tables

    def __repr__(self) -> str:
        return f"Together([{', '.join(map(repr, self.runs))}])"


def together(path: str | Path, *others: str | Path) -> Run:
    """A run, or several that answer together.

    Args:
        path: its folder.
        others: folders of more: see `Together`.

    Raises:
        RunError: there is no run, it is not whole, or it answers something else.

    Example:
        unspool.runs.together("runs/express", "runs/express-1").predict(["it⏎en octopus"])[0].text
    """
    runs = [load(each) for each in (path, *others)]
    return Together(runs) if others else runs[0]


def _ranked(found: Sequence[Prediction], how: DecodeSpec, n_best: int) -> Prediction:
    """The best of what each run found for one input, by the risk among all."""
    assert how.risk is not None
    each = [one for answer in found for one in answer.n_best or (answer,)]
    scores: list[float] = []
    for answer in found:
        own = weights_of(answer.n_best or (answer,), how)
        scores += torch.tensor(own, dtype=torch.float64).log_softmax(0).tolist()
    order = by_risk([one.text for one in each], scores, LIKENESS[how.risk])
    best = tuple(each[place]._replace(n_best=()) for place in order[:n_best])
    return best[0]._replace(n_best=best)
