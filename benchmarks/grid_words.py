"""Words cut out of GRID's sentences, and runs of neighbouring words, for `describe` to begin with.

    python benchmarks/grid_words.py GRID OUT [--most 5]
    unspool train describe data.path=OUT 'data.parts={train: [grid_s1_words_1.npz]}' …

`GRID` holds the mouths of talker s1 (`grid_s1_mouth_38x24x70.npz`) and when each word is said (`grid_s1_meta.json`, in
frames, of which the mouths are every second). Each word becomes a clip of ten steps around its middle, and so does each
run of two words, three, and so on, four steps longer a word; all with the id of their sentence: so what a split by `id`
holds out of sentences, it holds out of words. Around several words the picture stands still: it says no others.
"""

import argparse
import json
from pathlib import Path

import numpy as np

SILENCE = ("sil", "sp")
STEPS, STEPS_A_WORD = 10, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=5, help="words of a run")
    arguments = parser.parse_args()
    sentences = np.load(arguments.grid / "grid_s1_mouth_38x24x70.npz")
    said = json.loads((arguments.grid / "grid_s1_meta.json").read_text())["align"]
    said = [[word for word in sentence if word[2] not in SILENCE] for sentence in said]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for count in range(1, arguments.most + 1):
        clips, texts, ids = [], [], []
        for frames, sentence, name in zip(sentences["frames"], said, sentences["ids"], strict=True):
            for first in range(len(sentence) - count + 1):
                run = sentence[first : first + count]
                clips.append(frames[steps_of(run, len(frames))])
                texts.append(" ".join(word for _, _, word in run))
                ids.append(name)
        file = arguments.out / f"grid_s1_words_{count}.npz"
        np.savez(file, frames=np.stack(clips), text=np.array(texts), ids=np.array(ids))
        print(f"{file}: {len(texts):,} of {len(said):,} sentences")


def steps_of(run: list[tuple[int, int, str]], length: int) -> np.ndarray:
    """Which of a sentence's steps a run of words becomes."""
    steps, begin, end = STEPS + STEPS_A_WORD * (len(run) - 1), run[0][0] / 2, run[-1][1] / 2
    first = min(max(round((begin + end - steps) / 2), 0), length - steps)
    found = np.arange(first, first + steps)
    return found if len(run) == 1 else found.clip(int(begin), min(int(np.ceil(end)), length - 1))


if __name__ == "__main__":
    main()
