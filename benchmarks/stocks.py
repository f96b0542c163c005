"""What a recipe of prices can tell, and what not: walked along time, over several seeds, beside what needs no network.

    python benchmarks/stocks.py [--recipe stocks] [--borders 2015-10-01,2016-01-01] [--validation 60] [--seeds 3]
                                [--run FOLDER] [KEY=VALUE …]

At each border the network is trained on all that was before, and asked about what comes up to the next one; the answers
of all periods are measured together. Standard errors take the stocks of one day as one, since they rise and fall
together. `KEY=VALUE` changes the recipe, as in `data.path=FOLDER`.
"""

import argparse
import tempfile
from pathlib import Path

from unspool import recipes, runs

HALVES = "2011-01-01,2011-07-01,2012-01-01,2012-07-01,2013-01-01"


def walked(recipe: str, borders: list[str], folder: Path, seeds: int, validation: int, changes: list[str]) -> str:
    """What each seed reaches."""
    pages = []
    for seed in range(seeds):
        loaded = recipes.load(recipe, [*changes, f"seed={seed}"])
        found = runs.walk(loaded, borders, folder / f"seed-{seed}", validation=validation)
        pages.append(f"seed {seed}: {found}")
    return "\n\n".join(pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="stocks", help="stocks, returns, or the path of a YAML file")
    parser.add_argument("--borders", default=HALVES, help="dates with commas between, one more than there are periods")
    parser.add_argument("--validation", type=int, default=60, help="days before a border on which weights are chosen")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--run", type=Path, help="where to keep runs; a folder there already is gone on with")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.run or Path(scratch)
        borders = given.borders.split(",")
        print(walked(given.recipe, borders, folder, given.seeds, given.validation, given.changes))


if __name__ == "__main__":
    main()
