"""A few hundred words, told backwards in capitals, and a small recipe for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unspool import Ragged, cells, models, recipes
from unspool.fields import TextField
from unspool.recipes import Recipe

YAML = """\
about: Words told backwards
data:
  path: {path}
  split: {{by: word, valid: 0.1, test: 0.1}}
inputs:
  word: {{kind: text, unit: characters}}
outputs:
  phones: {{kind: text, unit: words}}
model:
  embedding_size: 16
  encoder: {{cell: GRU, hidden_size: 16}}
  decoder: {{cell: GRU, hidden_size: 16}}
  attention: {{heads: 2}}
train:
  epochs: 3
  tokens: 60
  learning_rate: 1e-2
  averaging: {{kind: ema, decay: 0.9}}
  threads: 1
metrics: [wer, per]
"""


def write_words(path: Path, count: int = 300, letters: str = "abcde", seed: int = 0) -> Path:
    """Words and what they are backwards, as TSV."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(letters, k=chance.randint(1, 6))) for _ in range(count)]
    rows = [f"{word}\t{' '.join(word[::-1].upper())}" for word in words]
    path.write_text("\n".join(["word\tphones", *rows]) + "\n", encoding="utf-8")
    return path


def toy(words: Path, *overrides: str) -> Recipe:
    """The small recipe over these words."""
    path = words.with_suffix(".yaml")
    path.write_text(YAML.format(path=words), encoding="utf-8")
    return recipes.load(path, overrides)


class MyCell(cells.GRU):
    """A cell of one's own."""


class Upper(TextField):
    """A field of one's own: text in capitals."""

    kind = "upper"

    def encode(self, value: Any) -> torch.Tensor:
        return super().encode(value.upper())

    def encode_many(self, values: Any) -> list[torch.Tensor]:
        return super().encode_many([value.upper() for value in values])

    def fit(self, values: Any) -> None:
        super().fit(value.upper() for value in values)


def mine(source_size: int, target_size: int, *, width: int) -> nn.Module:
    """A model of one's own."""
    return models.encoder_decoder(
        source_size, target_size, embedding_size=width, hidden_size=width, attention="general"
    )


class Mute(nn.Module):
    """A model that can learn, but not be decoded."""

    def __init__(self, source_size: int, target_size: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(target_size))

    def loss(self, source: Ragged, target: Ragged, *, smoothing: float = 0.0) -> torch.Tensor:
        return -self.scores.log_softmax(0)[target.values].sum()


class Deaf(nn.Module):
    """A model that can't learn."""

    def __init__(self, source_size: int, target_size: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(target_size))
