"""Made-up sounds, clips, music, digits and drawings, and small recipes over them."""

from __future__ import annotations

import json
import random
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unspool import Ragged, recipes
from unspool.recipes import Recipe

RATE = 4000
NAMES = {"low": 300, "high": 1200}
ENCODER: dict[str, Any] = {"cell": "GRU", "hidden_size": 8, "dropout": 0.1}
DECODER: dict[str, Any] = {"cell": "GRU", "hidden_size": 8, "dropout": 0.1}
TRAIN: dict[str, Any] = {"steps": 3, "examples": 4, "learning_rate": 0.01, "threads": 1}


def write_sounds(folder: Path, takes: int = 8) -> Path:
    """Tones of a tenth of a second or two, a WAV file each, named by what they are."""
    chance = np.random.default_rng(0)
    (folder / "recordings").mkdir(parents=True)
    for name, pitch in NAMES.items():
        for take in range(takes):
            time = np.arange(int(RATE * chance.uniform(0.1, 0.2))) / RATE
            sound = 0.4 * np.sin(2 * np.pi * pitch * time) + 0.05 * chance.standard_normal(len(time))
            with wave.open(str(folder / "recordings" / f"{name}_{take}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes((sound * 32767).astype("<i2").tobytes())
    return folder


def write_clips(folder: Path, clips: int = 24) -> Path:
    """Clips of 4 small pictures in which a bar stands or lies, by subjects 1 to 4."""
    chance = np.random.default_rng(0)
    frames = chance.integers(0, 40, (clips, 4, 12, 12)).astype(np.uint8)
    action = np.arange(clips) % 2
    for clip in range(clips):
        place = int(chance.integers(2, 9))
        if action[clip]:
            frames[clip, :, place] = 255
        else:
            frames[clip, :, :, place] = 255
    np.savez(folder / "clips.npz", frames=frames, action=action, subject=1 + np.arange(clips) // 2 % 4)
    return folder


def write_chorales(file: Path, pieces: int = 12) -> Path:
    """Chords that step up and down."""
    chance = random.Random(0)

    def piece() -> list[list[int]]:
        roots = [60]
        for _ in range(chance.randint(3, 7)):
            roots.append(min(66, max(56, roots[-1] + chance.choice([-2, 0, 2]))))
        return [[root + 7, root + 4, root] if place % 3 else [] for place, root in enumerate(roots, 1)]

    sizes = {"train": pieces, "valid": 3, "test": 3}
    file.write_text(json.dumps({part: [piece() for _ in range(count)] for part, count in sizes.items()}))
    return file


def write_digits(file: Path, digits: int = 24) -> Path:
    """Pictures of 6 by 5 pixels: a ring or a stroke, as 0 or 1."""
    ring, stroke = np.zeros((6, 5), np.uint8), np.zeros((6, 5), np.uint8)
    ring[1:5, 1:4] = 255
    ring[2:4, 2] = 0
    stroke[1:5, 2] = 200
    digit = np.arange(digits) % 2
    np.savez(file, image=np.stack([stroke if each else ring for each in digit]), digit=digit)
    return file


def write_drawings(file: Path, drawings: int = 12) -> Path:
    """Squares, of one stroke or two, as sketch-rnn writes them."""
    chance = np.random.default_rng(0)

    def square() -> Any:
        side = int(chance.integers(10, 30))
        lift = int(chance.integers(0, 2))
        return np.array([[0, 0, 0], [side, 0, 0], [0, side, lift], [-side, 0, 0], [0, -side, 1]], np.int16)

    sizes = {"train": drawings, "valid": 3, "test": 3}
    np.savez(file, **{part: np.stack([square() for _ in range(count)]) for part, count in sizes.items()})
    return file


def recipe(given: dict[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    return recipes.load({"train": TRAIN, **given}, overrides)


def spoken(folder: Path, *overrides: str, model: dict[str, Any] | None = None) -> Recipe:
    """What is said in a sound: by CTC, unless another model is given."""
    front = {"channels": [6], "time": 5, "time_stride": 2, "augment": {"times": 1, "time_width": 3}}
    network = {"kind": "ctc", "front": front, "encoder": ENCODER} if model is None else {"front": front, **model}
    return recipe(
        {
            "data": {
                "path": str(folder),
                "format": "files",
                "columns": {"sound": "file", "text": "name"},
                "parts": {"train": "recordings/{name}_{take}.wav", "test": "recordings/{name}_{take}.wav"},
                "rows": {"train": {"take": [2, 3, 4, 5, 6, 7]}, "test": {"take": [0, 1]}},
                "split": {"by": "sound", "valid": 0.3, "test": 0},
            },
            "inputs": {"sound": {"kind": "audio", "rate": RATE, "mels": 12}},
            "outputs": {"text": {"kind": "text", "unit": "characters"}},
            "model": network,
            "decode": {"beam": 2},
            "metrics": ["spoken_wer", "cer"],
        },
        overrides,
    )


def acted(folder: Path, *overrides: str) -> Recipe:
    """What happens in a clip."""
    front = {"channels": [4, 6], "time": [3, 3], "space_stride": [2, 2], "augment": {"shift": 1, "brightness": 0.1}}
    return recipe(
        {
            "data": {
                "path": str(folder),
                "format": "arrays",
                "columns": {"clip": "frames", "action": "action", "subject": "subject"},
                "parts": dict.fromkeys(("train", "valid", "test"), "clips.npz"),
                "rows": {"train": {"subject": [1, 2]}, "valid": {"subject": [3]}, "test": {"subject": [4]}},
            },
            "inputs": {"clip": {"kind": "video", "height": 12, "width": 12, "channels": 1}},
            "outputs": {"action": {"kind": "label"}},
            "model": {"kind": "encoder", "front": front, "encoder": ENCODER, "pooling": ["max", "mean"]},
            "metrics": ["accuracy", "macro_f1"],
            "baselines": ["majority"],
        },
        overrides,
    )


def composed(file: Path, kind: str, *overrides: str) -> Recipe:
    """Music alone: `chords` note by note, `notes` all at once."""
    return recipe(
        {
            "data": {"path": str(file), "format": "chorales", "columns": ["notes"]},
            "outputs": {"notes": {"kind": kind, "lowest": 50, "highest": 79}},
            "model": {"kind": "decoder", "embedding_size": 8, "decoder": DECODER},
            "decode": {"sample": True},
            "metrics": ["nats_per_step"],
        },
        overrides,
    )


def drawn_digits(file: Path, *overrides: str) -> Recipe:
    """Rows of pixels of a digit."""
    return recipe(
        {
            "data": {"path": str(file), "format": "arrays", "split": {"by": "row", "valid": 0.2, "test": 0.2}},
            "inputs": {"digit": {"kind": "label"}},
            "outputs": {"image": {"kind": "rows", "height": 6, "width": 5}},
            "model": {"kind": "decoder", "embedding_size": 8, "decoder": DECODER},
            "decode": {"sample": True},
            "metrics": ["nats_per_step"],
        },
        overrides,
    )


def drawn_strokes(file: Path, *overrides: str) -> Recipe:
    """Drawings of a pen."""
    return recipe(
        {
            "data": {"path": str(file), "format": "strokes", "columns": ["strokes"]},
            "outputs": {"strokes": {"kind": "strokes"}},
            "model": {"kind": "decoder", "embedding_size": 8, "decoder": DECODER},
            "decode": {"sample": True},
            "metrics": ["nats_per_step"],
        },
        overrides,
    )


def one(steps: Tensor) -> Ragged:
    """A batch of one sequence."""
    return Ragged(steps, [len(steps)])
