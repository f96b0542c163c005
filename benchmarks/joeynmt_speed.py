"""Training and decoding speed against JoeyNMT 2.3's recurrent encoder–decoder: same words, same sizes, in turn.

    python benchmarks/joeynmt_speed.py --data WORDS.tsv --peer-python PATH [--rounds 5] [--bucketed] [--folder DIR]

Letters to phonemes: a line of `--data` is a word, a tab and its phonemes, divided by blanks. JoeyNMT lives in an
environment of its own, whose Python is PATH:

    python3.11 -m venv PEER
    PEER/bin/pip install torch==2.13.0 numpy packaging importlib_metadata tensorboard matplotlib sacrebleu pyyaml \\
        sentencepiece subword-nmt tqdm
    PEER/bin/pip install --no-deps joeynmt==2.3.0

Both sides are first taught by the same few hundred batches, since a network that has learnt nothing never ends a word
and its decoding speed means nothing. A round is then, on each side: 1,000 words kept out, decoded greedily and by beam
search, no output longer than `--longest` with its end symbol; and one pass of training steps (forward, backward,
update) over 30 batches. The table shows medians over rounds and, beneath, how many times as fast as JoeyNMT each is.
JoeyNMT draws batches at random and sorts within a batch only, so both sides get those, unless `--bucketed` cuts batches
by length, which spares JoeyNMT its padding. GF/s count the products that the words need (`work_per_token` in
joeynmt_peer.py). `--folder` keeps what was learnt for the next run.
"""

import argparse
import hashlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from timing import table

PEER = "JoeyNMT 2.3, additive, feeding"
OURS = {
    "ours, default attention": [],
    "ours, default attention, bfloat16": ["--bfloat16"],
    "ours, additive, feeding": ["--feeding"],
}
Pair = tuple[list[str], list[str]]


def read(path: Path) -> list[Pair]:
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [(list(word), phones.split()) for word, phones in rows]


def cut(pairs: list[Any], size: int) -> list[list[Any]]:
    return [pairs[i : i + size] for i in range(0, len(pairs), size)]


def job_of(pairs: list[Pair], options: argparse.Namespace) -> dict[str, Any]:
    """All that both sides need: symbols, sizes, batches to learn from, batches to time, words to decode."""
    pronunciations: dict[str, list[list[str]]] = {}
    for letters, phones in pairs:
        pronunciations.setdefault("".join(letters), []).append(phones)
    draw = random.Random(options.seed)
    kept_out = draw.sample(sorted(pronunciations), options.words)
    rest = [pair for pair in pairs if "".join(pair[0]) not in set(kept_out)]
    timed = draw.sample(rest, options.batches * options.batch)
    lessons = [draw.sample(rest, options.batch) for _ in range(options.steps)]
    if options.bucketed:
        timed.sort(key=lambda pair: (len(pair[0]), len(pair[1])))
        kept_out.sort(key=len)
    return {
        "cell": options.cell,
        "sizes": {"hidden": 256, "embedding": 256, "layers": 2},
        "learning_rate": 1e-3,
        "beam": 5,
        "alpha": 1.0,  # a hypothesis's log-probability is divided by ((5 + length) / 6) ** alpha
        "longest": options.longest,
        "seed": options.seed,
        "threads": options.threads,
        "source_symbols": sorted({letter for letters, _ in pairs for letter in letters}),
        "target_symbols": sorted({phone for _, phones in pairs for phone in phones}),
        "lessons": lessons,
        "batches": cut(timed, options.batch),
        "decode": cut([list(word) for word in kept_out], options.batch),
        "references": [pronunciations[word] for word in kept_out],
    }


def round_of(python: str | Path, script: str, job: Path, weights: Path, *more: str) -> dict[str, Any]:
    """One side's figures, from a process of its own."""
    path = Path(__file__).with_name(script)
    command = [str(python), str(path), "--job", str(job), "--weights", str(weights), *more]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def rounds_of(job: dict[str, Any], options: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every contender's figures, a round after another; weights are kept under a fingerprint of what made them."""
    learnt = {part: job[part] for part in ("cell", "sizes", "learning_rate", "seed", "lessons")}
    name = hashlib.sha256(json.dumps(learnt).encode()).hexdigest()[:12]
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        if options.only != "ours":
            weights = folder / f"{name}-peer.pt"
            found.setdefault(PEER, []).append(round_of(options.peer_python, "joeynmt_peer.py", path, weights))
        if options.only != "peer":
            for contender, more in OURS.items():
                weights = folder / f"{name}-{'feeding' if '--feeding' in more else 'default'}.pt"
                mine = round_of(sys.executable, "joeynmt_ours.py", path, weights, *more)
                found.setdefault(contender, []).append(mine)
    return found


def median(found: list[dict[str, Any]], part: str, figure: str) -> float:
    return statistics.median(figures[part][figure] for figures in found)


def report(found: dict[str, list[dict[str, Any]]]) -> str:
    header = ["", "training", "", "work", "greedy", "length", "ended", "wrong", "beam", "length", "ended", "wrong"]
    rows = []
    for contender, figures in found.items():
        cells = [contender, f"{median(figures, 'train', 'tokens_per_second'):.0f} tokens/s"]
        cells.append(f"{median(figures, 'train', 'gf_per_second'):.0f} GF/s")
        cells.append(f"{1e3 * median(figures, 'train', 'gf_per_token'):.1f} MF/token")
        for part in ("greedy", "beam"):
            cells.append(f"{median(figures, part, 'words_per_second'):.0f} words/s")
            cells.append(f"{median(figures, part, 'mean_length'):.2f}")
            cells += [f"{median(figures, part, figure):.1f} %" for figure in ("ended", "wrong")]
        rows.append(cells)
    lines = [table(header, rows), ""]
    lines += [ratios(contender, found) for contender in found if contender != PEER and PEER in found]
    return "\n".join(lines)


def ratios(contender: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """How many times as fast as JoeyNMT: the median over rounds of one round's ratio, with the least and the most."""
    parts = {"train": "tokens_per_second", "greedy": "words_per_second", "beam": "words_per_second"}
    texts = []
    for part, figure in parts.items():
        turns = zip(found[contender], found[PEER], strict=True)
        times = [mine[part][figure] / theirs[part][figure] for mine, theirs in turns]
        texts.append(f"{part} {statistics.median(times):.2f}x ({min(times):.2f} to {max(times):.2f})")
    return f"{contender}: {', '.join(texts)}"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer-python", type=Path, help="the Python of the environment that holds JoeyNMT")
    parser.add_argument("--only", choices=["peer", "ours"], help="one side alone")
    parser.add_argument("--cell", choices=["lstm", "gru"], default="lstm")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bucketed", action="store_true", help="batches of words of about one length")
    parser.add_argument("--steps", type=int, default=300, help="lessons before anything is measured")
    parser.add_argument("--batches", type=int, default=30, help="training steps timed in a round")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--words", type=int, default=1000, help="words kept out and decoded")
    parser.add_argument("--longest", type=int, default=32, help="most tokens of an output, its end symbol included")
    parser.add_argument("--folder", type=Path, help="keeps the weights here")
    parser.add_argument("--threads", type=int, default=0, help="0 leaves torch's own choice")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main() -> None:
    parser = arguments()
    options = parser.parse_args()
    if options.only != "ours" and options.peer_python is None:
        parser.error("JoeyNMT's side needs `--peer-python PATH`; `--only ours` does without it")
    job = job_of(read(options.data), options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = rounds_of(job, options, folder)
    for contender, figures in found.items():
        about = figures[0]
        print(f"{contender}: torch {about['torch']}, {about['threads']} threads, {about['parameters']:,} parameters")
    order = "by length" if options.bucketed else "at random"
    print(f"{options.cell}, batches of {options.batch} {order}, medians of {options.rounds} rounds\n\n{report(found)}")


if __name__ == "__main__":
    main()
