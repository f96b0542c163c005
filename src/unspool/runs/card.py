"""The model card: what a run is, for whoever finds its folder."""

from __future__ import annotations

import json

from unspool.runs.folder import Folder
from unspool.runs.preparing import Prepared
from unspool.training import Outcome


def card(made: Prepared, folder: Folder, outcome: Outcome) -> str:
    """A README for the folder of a run: what it does, what it learned from, how good it is, how to use it.

    Reference:
        Mitchell et al. (2019).
    """
    recipe, facts = made.recipe, folder.about()
    rows = ", ".join(f"{count:,} {part}" for part, count in facts["examples"].items())
    metrics = "\n".join(f"| {name} | {value:.4g} |" for name, value in outcome.metrics.items())
    best = (
        "none"
        if outcome.best.value is None
        else f"{recipe.train.metric} {outcome.best.value:.4g} at step {outcome.best.step}"
    )
    read = ", ".join(f"`{name}`" for name in made.task.sources) or "an opening, or nothing"
    several = len(made.task.sources) > 1
    example = json.dumps(dict.fromkeys(made.task.sources, "…"), ensure_ascii=False) if several else '"…"'
    left_out = "".join(f"\n{line}.\n" for line in facts.get("left_out", ()))
    limits = f"\n\n{recipe.limits}" if recipe.limits else ""
    return f"""# {recipe.about or folder.path.name}

Reads {read}, writes `{made.task.target}`. {facts["parameters"]:,} parameters, trained with
[Unspool](recipe.yaml) from {facts["data"]} ({rows} examples).

## Use

```console
$ unspool predict {folder.path}
$ unspool evaluate {folder.path}
```

```python
import unspool

unspool.load("{folder.path}").predict([{example}])[0].text
```

## Training

{outcome.step:,} steps, {outcome.epochs} epochs, {outcome.seconds / 60:.1f} minutes; seed {recipe.seed}. It {outcome}.
{left_out}
Best validation: {best}. The last one, by greedy decoding of at most {recipe.train.validate_examples or "all"} inputs:

| metric | value |
|---|---|
{metrics}

## Limits

It knows what its training data show, and repeats their mistakes and slants. It was measured on held-out rows of the
same data only; on other text expect less.{limits}
"""
