"""Two ways to number the parts of a text: a list of all parts, or bytes and the merges of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from unspool.errors import FieldError
from unspool.tokens import UNKNOWN

RESERVED = 3
BYTES = 256

# A word with the blank before it, a number, a run of signs. GPT-2's pattern without its English endings, and with
# combining marks among the letters: without them no word of Hindi is one piece.
_PIECES = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^ \p{L}\p{M}\p{N}]+| "


class Vocabulary(ABC):
    """Texts as ids, and back. `UNKNOWN` is among them; what `START` and `END` mean is not known here."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of ids, the reserved ones included."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""

    @abstractmethod
    def decode(self, ids: Sequence[int], unknown: str) -> str:
        """The text of ids, `unknown` where one is `UNKNOWN`."""

    @abstractmethod
    def to_json(self) -> Any:
        """What the class makes the same vocabulary of."""


class Listed(Vocabulary):
    """Characters or words, each in a list.

    Args:
        entries: the list; the first has the id after the reserved ones.
        unit: what a text is taken apart into.
    """

    def __init__(self, entries: Sequence[str], unit: Literal["characters", "words"]) -> None:
        self.entries, self.unit = list(entries), unit
        self._ids = {entry: i for i, entry in enumerate(self.entries, RESERVED)}

    @classmethod
    def fit(
        cls, texts: Iterable[str], unit: Literal["characters", "words"], size: int | None, min_count: int
    ) -> Listed:
        """The parts that come at least `min_count` times, by falling frequency, then by code point."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text if unit == "characters" else text.split())
        frequent = [entry for entry, count in counts.items() if count >= min_count]
        if not frequent:
            raise FieldError(
                f"`min_count` must leave some of the {unit}, but none of the {len(counts)} different ones comes "
                f"{min_count} times; the most frequent comes {max(counts.values())} times"
            )
        most = None if size is None else size - RESERVED
        return cls(sorted(frequent, key=lambda entry: (-counts[entry], entry))[:most], unit)

    def __len__(self) -> int:
        return RESERVED + len(self.entries)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        find = self._ids.get
        if self.unit == "characters":
            return [[find(character, UNKNOWN) for character in text] for text in texts]
        return [[find(word, UNKNOWN) for word in text.split()] for text in texts]

    def decode(self, ids: Sequence[int], unknown: str) -> str:
        separator = "" if self.unit == "characters" else " "
        return separator.join(unknown if i == UNKNOWN else self.entries[i - RESERVED] for i in ids)

    def to_json(self) -> list[str]:
        return list(self.entries)


class Merged(Vocabulary):
    """Bytes, and merges of them learnt from pairs that are frequent: byte-pair encoding.

    All 256 bytes have an id, so that any text can be spelled and nothing is ever unknown. Texts must be without
    blanks at their ends or two in a row; the blank before a word belongs to it, and the first word is given one too, so
    that a word is the same wherever it stands.

    Bytes rather than the usual "▁" and `<0x41>`: a text that has those signs in it would not come back, and one that
    holds `<s>` would become a start. Here a text can hold anything.

    Reference:
        Sennrich et al. (2016); on bytes, Radford et al. (2019), whose merges stop at the same kinds of borders.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def fit(cls, texts: Iterable[str], size: int, min_count: int) -> Merged:
        """Merges until there are `size` ids, or no pair is left that comes `min_count` times."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_PIECES), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size - RESERVED,
            min_frequency=min_count,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator((f" {text}" for text in texts if text), trainer)
        return cls(tokenizer)

    @classmethod
    def from_json(cls, saved: Any) -> Merged:
        try:
            return cls(Tokenizer.from_str(json.dumps(saved)))
        except Exception as error:  # `tokenizers` raises nothing more specific
            raise FieldError(
                f"`vocabulary` of a bpe field must be the JSON of a tokenizer, but `tokenizers` says: {error}"
            ) from error

    def __len__(self) -> int:
        return RESERVED + int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        spelled = [f" {text}" if text else "" for text in texts]
        encodings = self._tokenizer.encode_batch_fast(spelled, add_special_tokens=False)
        return [[number + RESERVED for number in each.ids] for each in encodings]

    def decode(self, ids: Sequence[int], unknown: str) -> str:
        runs: list[list[int]] = [[]]
        for i in ids:
            if i == UNKNOWN:
                runs.append([])
            else:
                runs[-1].append(i - RESERVED)
        return unknown.join(self._tokenizer.decode(run) if run else "" for run in runs).removeprefix(" ")

    def to_json(self) -> Any:
        return json.loads(self._tokenizer.to_str())
