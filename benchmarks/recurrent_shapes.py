"""The batches that are measured: sizes, and how long their sequences are.

A shape's name is made of parts, "H64-full" of "H64" and "full", and every part names all shapes that have it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# How many of each length there are.
COUNTS = {
    # Letters of the 126,052 different words of CMUdict (cmusphinx/cmudict @ 0f8072f).
    "words": {
        1: 26, 2: 247, 3: 1638, 4: 6666, 5: 14922, 6: 22400, 7: 23610, 8: 19487, 9: 14524, 10: 9911, 11: 5855,
        12: 3328, 13: 1846, 14: 835, 15: 429, 16: 188, 17: 87, 18: 32, 19: 11, 20: 8, 22: 1, 28: 1,
    },
    # Words, parted by white space, of the 29,000 English training sentences of Multi30k (multi30k/dataset @ a3d2e0d).
    "sentences": {
        3: 3, 4: 21, 5: 171, 6: 741, 7: 1719, 8: 2489, 9: 3199, 10: 3490, 11: 3340, 12: 2940, 13: 2552, 14: 2126,
        15: 1619, 16: 1245, 17: 947, 18: 700, 19: 528, 20: 362, 21: 227, 22: 195, 23: 117, 24: 81, 25: 57, 26: 43,
        27: 23, 28: 10, 29: 15, 30: 9, 31: 10, 32: 7, 33: 6, 34: 4, 36: 3, 37: 1,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a batch is drawn from.

    Fields:
        hidden: features of an input step, and of the hidden state.
        batch: sequences.
        longest: the most steps of a sequence.
        kind: of the lengths: "uniform" in [longest / 4, longest], "full", or a name of `COUNTS`.
    """

    name: str
    hidden: int
    batch: int
    longest: int
    kind: str

    def lengths(self, seed: int) -> Tensor:
        """(batch,) drawn at random, always the same ones for a seed."""
        generator = torch.Generator().manual_seed(seed)
        if self.kind == "full":
            return torch.full((self.batch,), self.longest)
        if self.kind == "uniform":
            return torch.randint(self.longest // 4, self.longest + 1, (self.batch,), generator=generator)
        counts = COUNTS[self.kind]
        share = torch.tensor(list(counts.values()), dtype=torch.float64)
        return torch.tensor(list(counts))[torch.multinomial(share, self.batch, replacement=True, generator=generator)]


_SIZES = [(64, 16, 100), (128, 32, 50), (256, 64, 50), (512, 64, 50)]
SHAPES = [
    *(Shape(f"H{size[0]}-uniform", *size, "uniform") for size in _SIZES),
    *(Shape(f"H{size[0]}-full", *size, "full") for size in _SIZES),
    *(Shape(f"batch1-T{longest}", 256, 1, longest, "full") for longest in (50, 200)),
    *(Shape(kind, 256, 64, max(counts), kind) for kind, counts in COUNTS.items()),
]
PARTS = list(dict.fromkeys(part for shape in SHAPES for part in (shape.name, *shape.name.split("-"))))


def chosen(names: list[str]) -> list[Shape]:
    """The shapes that are named, whole or by a part."""
    return [shape for shape in SHAPES if {shape.name, *shape.name.split("-")} & {*names}]
