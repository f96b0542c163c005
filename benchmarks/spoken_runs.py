"""Runs of neighbouring words, cut out of sentences where a CTC network hears them, for attention to begin with.

    python benchmarks/spoken_runs.py RUN OUT [--most 5]
    unspool train dictate "data={path: OUT, parts: {train: runs.jsonl}, …}" …

`RUN` was trained on features of recordings to tell words by CTC, as `dictate` with `outputs.text.unit=words`. The most
probable of the paths that say a sentence tells where each of its words is; between two words, the middle of what lies
between them is where one ends. Every run of up to so many neighbouring words of the training and the validation part
becomes an array and a row of a table, with its speaker: what a split by `speaker` holds out of sentences, it holds out
of these.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

import unspool
from unspool import Ragged, Run
from unspool.data import Batch
from unspool.decode import ctc_alignment
from unspool.runs.preparing import tables_of

MARGIN = 4  # frames on each side of a run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=5, help="words of a run")
    arguments = parser.parse_args()
    run = unspool.load(arguments.run)
    tables = tables_of(run.recipe)
    (arguments.out / "arrays").mkdir(parents=True, exist_ok=True)
    rows = []
    for row in (row for part in ("train", "valid") for row in tables[part]):
        frames = run.fields["sound"].decode(run.fields["sound"].encode(row["sound"]))
        words = row["text"].split()
        edges = edges_of(places_of(run, row["sound"], row["text"]), run.model.encoder.front.time_stride, len(frames))
        for count in range(1, min(arguments.most, len(words)) + 1):
            for first in range(len(words) - count + 1):
                begin, end = max(edges[first] - MARGIN, 0), edges[first + count] + MARGIN
                file = arguments.out.resolve() / "arrays" / f"{len(rows)}.npy"
                np.save(file, frames[begin:end])
                text = " ".join(words[first : first + count])
                rows.append({"sound": str(file), "text": text, "speaker": row["speaker"]})
    (arguments.out / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{len(rows):,} runs")


def places_of(run: Run, sound: str, text: str) -> list[int]:
    """Which word each step of the network says, -1 for none."""
    ids = torch.arange(1)
    target = Ragged.from_list([run.fields[run.task.target].encode(text)], ids)
    batch = Batch({"sound": Ragged.from_list([run.fields["sound"].encode(sound)], ids)}, ids)
    with torch.no_grad():
        scores = run.model(run.task.source(batch)).map(lambda step: step.float().log_softmax(1))
    return ctc_alignment(scores, target).values.tolist()


def edges_of(places: list[int], stride: int, frames: int) -> list[int]:
    """The frames at which each word begins, and where the last one ends; a step has `stride` of them."""
    said = [[step for step, place in enumerate(places) if place == word] for word in range(max(places) + 1)]
    between = [(before[-1] + 1 + after[0]) * stride // 2 for before, after in pairwise(said)]
    return [0, *between, frames]


if __name__ == "__main__":
    main()
