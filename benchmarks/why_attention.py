"""Why people use encoder–decoders, and attention: three networks, the same data, parameters and time.

    python benchmarks/why_attention.py [--minutes 6] [--parameters 5000000] [--plot FILE.png] [KEY=VALUE …]

Each learns the recipe `translate` for the same minutes, with layers as wide as the number of parameters allows:

    plain       one output at each input step, the source padded to the longest target
    fixed       an encoder–decoder whose decoder knows the source by one vector of fixed width
    attention   an encoder–decoder whose decoder looks back at every step of the source

The table gives BLEU on the test part, for each quarter of its sentences by length of the source, and for all.
`KEY=VALUE` changes the recipe, as in `data.path=FOLDER`.
"""

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import table

import unspool
from unspool import data, recipes, runs
from unspool.metrics import bleu
from unspool.runs.fitting import fit
from unspool.runs.preparing import tables_of
from unspool.tasks import SequenceToSequence


def kinds(width: int) -> dict[str, list[str]]:
    """What each network changes in the recipe, given the width of its recurrent layers."""
    sized = [f"model.encoder.hidden_size={width}"]
    decoder = [*sized, f"model.decoder.hidden_size={2 * width}", "model.attention.heads=1"]
    encoder = f"{{cell: GRU, hidden_size: {width}, dropout: 0.3}}"
    plain = f"model={{kind: plain, embedding_dropout: 0.3, output_dropout: 0.3, encoder: {encoder}}}"
    return {
        "plain": [plain],
        "fixed": [*decoder, "model.attention.kind=none"],
        "attention": decoder,
    }


def recipe_of(kind: str, width: int, changes: list[str]) -> Any:
    return recipes.load("translate", [*kinds(width)[kind], *changes])


def widest(kind: str, parameters: int, changes: list[str], fields: Any) -> tuple[int, int]:
    """The width whose number of parameters comes nearest, and that number."""

    def count(width: int) -> int:
        with torch.device("meta"):
            model = SequenceToSequence(recipe_of(kind, width, changes), fields).build(longest_target=1)
        return sum(parameter.numel() for parameter in model.parameters())

    width = min(range(64, 1025, 16), key=lambda width: abs(count(width) - parameters))
    return width, count(width)


def by_length(run: unspool.Run, quarters: int = 4) -> tuple[list[str], list[float]]:
    """BLEU for each quarter of the test sentences by the length of the source in words, and for all."""
    rows = list(data.load(**run.recipe.data.arguments())["test"])
    source, target = run.task.columns
    answers = [answer.text for answer in run.predict([row[source] for row in rows])]
    lengths = np.array([len(row[source].split()) for row in rows])
    order = np.argsort(lengths, kind="stable")
    names, figures = [], []
    edges = [len(rows) * quarter // quarters for quarter in range(quarters + 1)]
    for begin, end in [*pairwise(edges), (0, len(rows))]:
        part = order[begin:end]
        names.append(f"{lengths[part].min()}–{lengths[part].max()} words")
        figures.append(bleu([answers[i] for i in part], [[rows[i][target]] for i in part]).value)
    return [*names[:-1], "all"], figures


def plot(names: list[str], figures: dict[str, list[float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for kind, values in figures.items():
        axes.plot(names[:-1], values[:-1], marker="o", label=f"{kind} (all: {values[-1]:.1f})")
    axes.set(xlabel="length of the source, by quarters of the test part", ylabel="BLEU", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0, help="of training for each network")
    parser.add_argument("--parameters", type=int, default=5_000_000)
    parser.add_argument("--plot", type=Path, help="a picture of the table")
    parser.add_argument("--folder", type=Path, help="keeps the runs here")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="changes to the recipe")
    options = parser.parse_args()
    limit = ["train.epochs=null", f"train.minutes={options.minutes}", "train.averaging.decay=0.99"]
    changes = [*limit, *options.changes]
    first = recipes.load("translate", changes)
    fields = fit(first, tables_of(first)["train"], list(first.fields))
    rows, figures, names = [], {}, []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for kind in kinds(1):
            width, count = widest(kind, options.parameters, changes, fields)
            run = runs.train(recipe_of(kind, width, changes), folder / kind)
            names, figures[kind] = by_length(run)
            rows.append([kind, f"{count / 1e6:.1f} M", str(width), *(f"{value:.1f}" for value in figures[kind])])
    print(table(["BLEU", "parameters", "width", *names], rows))
    if options.plot:
        plot(names, figures, options.plot)


if __name__ == "__main__":
    main()
