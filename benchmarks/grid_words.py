"""Words cut out of GRID's sentences, for `describe` to begin with.

    python benchmarks/grid_words.py GRID OUT [--steps 10]
    unspool train describe data.path=OUT 'data.parts={train: grid_s1_words.npz}' …

`GRID` holds the mouths of talker s1 (`grid_s1_mouth_38x24x70.npz`) and when each word is said (`grid_s1_meta.json`, in
frames, of which the mouths are every second). Each word becomes a clip of so many steps around its middle, with the id
of its sentence: so what a split by `id` holds out of sentences, it holds out of words.
"""

import argparse
import json
from pathlib import Path

import numpy as np

SILENCE = ("sil", "sp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=10, help="of a clip")
    arguments = parser.parse_args()
    sentences = np.load(arguments.grid / "grid_s1_mouth_38x24x70.npz")
    about = json.loads((arguments.grid / "grid_s1_meta.json").read_text())
    frames, ids, steps = sentences["frames"], sentences["ids"], arguments.steps
    clips, words, names = [], [], []
    for row, aligned in enumerate(about["align"]):
        for begin, end, word in aligned:
            if word not in SILENCE:
                first = min(max(round((begin + end) / 4 - steps / 2), 0), frames.shape[1] - steps)
                clips.append(frames[row, first : first + steps])
                words.append(word)
                names.append(ids[row])
    arguments.out.mkdir(parents=True, exist_ok=True)
    np.savez(arguments.out / "grid_s1_words.npz", frames=np.stack(clips), text=np.array(words), ids=np.array(names))
    print(f"{len(words):,} words of {len(about['align']):,} sentences")


if __name__ == "__main__":
    main()
