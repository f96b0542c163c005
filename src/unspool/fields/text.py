"""Text as whole numbers: characters, words, or byte-pair encoding."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import islice
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields import punctuation
from unspool.fields.base import Field
from unspool.fields.vocabularies import BYTES, RESERVED, Listed, Merged, Vocabulary
from unspool.tokens import END, START

Unit = Literal["characters", "words", "bpe"]

_UNKNOWN_SIGN = "⁇"  # what SentencePiece writes too, rare enough to be told from text
_SAVED = ("kind", "unit", "size", "min_count", "lowercase", "split_punctuation", "lines", "vocabulary")
_LATER = {"split_punctuation": False, "lines": False}  # which fields of earlier versions were saved without


class TextField(Field):
    """Text as ids: 0 unknown `<unk>`, 1 start `<s>`, 2 end `</s>`, then the vocabulary.

    `encode` gives neither start nor end: the model adds them. `decode` leaves both out and writes an unknown as "⁇".

    * "characters": a code point each. `decode(encode(text))` is the text in Unicode's NFC.
    * "words": what stands between whitespace. `decode` joins them with a blank.
    * "bpe": byte-pair encoding. No text has an unknown in it, and `decode(encode(text))` is the text in NFC, whitespace
      runs as one blank, none at the ends. Trained on the same texts it is the same.

    Characters and words are numbered by falling frequency, then by code point.

    Args:
        unit: what a text is taken apart into.
        size: the most ids there may be, the three reserved ones included; all there are if left out. "bpe" needs one of
            at least 259, and has fewer only where no pair is left to merge.
        min_count: a character or word that comes less often in `fit` is unknown; a pair that does is not merged.
        lowercase: lower-case texts first (`str.lower`); `decode` then gives lower case too.
        split_punctuation: of "words": signs are words of their own, as `unspool.fields.punctuation.split` says;
            `decode` joins them again as English does.
        lines: a text is lines, one each end of line (`\\n`) apart. Each is encoded by itself, and an end (2) stands
            between two: `"a b\\nc"` gives a, b, end, c. `decode` gives the lines back. Otherwise the end of a line is
            whitespace, or one of the characters.
        max_length: the most ids `encode` gives, the first ones: what is beyond is cut; `longer` counts such texts.
            None: all.

    Raises:
        FieldError: another unit, a `size`, `min_count` or `max_length` that leaves nothing, or `split_punctuation` of
            another unit.

    Example:
        >>> field = TextField("characters")
        >>> field.fit(["banana", "ban"])
        >>> field.encode("nab")
        tensor([4, 3, 5])
        >>> field.decode(torch.tensor([1, 5, 3, 0, 2]))
        'ba⁇'
        >>> len(field)
        6
    """

    kind: ClassVar[str] = "text"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"

    def __init__(
        self,
        unit: Unit = "characters",
        size: int | None = None,
        min_count: int = 1,
        *,
        lowercase: bool = False,
        split_punctuation: bool = False,
        lines: bool = False,
        max_length: int | None = None,
    ) -> None:
        if unit not in get_args(Unit):
            raise FieldError(f"`unit` must be one of {', '.join(get_args(Unit))}, but is {unit!r}")
        if unit == "bpe" and size is None:
            raise FieldError('`size` must be given for the unit "bpe", but is None; 8000 is a good start')
        if size is not None:
            least, holds = _least_size(unit)
            _check_whole("size", size, least, f", {holds}")
        _check_whole("min_count", min_count, 1)
        for name, value in (("lowercase", lowercase), ("split_punctuation", split_punctuation), ("lines", lines)):
            if not isinstance(value, bool):
                raise FieldError(f"`{name}` must be True or False, but is {value!r}")
        if split_punctuation and unit != "words":
            raise FieldError(f'`split_punctuation` is for the unit "words", but `unit` is {unit!r}; leave it out')
        if max_length is not None:
            _check_whole("max_length", max_length, 1)
        self.unit, self.size, self.min_count, self.lowercase = unit, size, min_count, lowercase
        self.split_punctuation, self.lines = split_punctuation, lines
        self.max_length = max_length
        self._vocabulary: Vocabulary | None = None

    def fit(self, values: Iterable[str]) -> None:
        """Learn the vocabulary from the texts of the training part, in one pass; memory grows with the vocabulary.

        Args:
            values: texts; an empty one is a text. What an earlier `fit` learnt is forgotten.

        Raises:
            FieldError: no text in any value, a value that is no string, or nothing that comes `min_count` times.
        """
        if isinstance(values, str):
            raise FieldError(f"`values` must be many strings, but is one: {_shown(values)}; use `field.fit([text])`")
        texts = self._texts(values)
        if self.unit == "bpe":
            assert self.size is not None
            self._vocabulary = Merged.fit(texts, self.size, self.min_count)
        else:
            self._vocabulary = Listed.fit(texts, self.unit, self.size, self.min_count)

    def encode(self, value: str) -> Tensor:
        """The ids of one text, without start and end. -> (length,) int64

        Raises:
            FieldError: before `fit`, or a value that is no string.
        """
        return self.encode_many([value])[0]

    def encode_many(self, values: Sequence[str]) -> list[Tensor]:
        """What `encode` gives for each text; "bpe" takes them apart on all cores."""
        # By way of NumPy a short row costs a third of `torch.tensor(ids)`: 1.5 against 4.5 µs.
        return [torch.from_numpy(np.array(ids[: self.max_length], dtype=np.int64)) for ids in self._whole(values)]

    def longer(self, values: Sequence[str]) -> int:
        """How many of these texts `encode` cuts."""
        return 0 if self.max_length is None else sum(len(ids) > self.max_length for ids in self._whole(values))

    def _whole(self, values: Sequence[str]) -> list[list[int]]:
        """All ids of each text."""
        vocabulary = self._fitted("encode")
        if isinstance(values, str):
            raise FieldError(f"`values` must be many strings, but is one: {_shown(values)}; use `field.encode(text)`")
        if self.lines:
            return self._lines_encoded(vocabulary, [_text(value, "`value`").split("\n") for value in values])
        return vocabulary.encode([self._normalise(value, "`value`") for value in values])

    def decode(self, encoded: Tensor) -> str:
        """The text that ids stand for; start and end are left out, an unknown is "⁇". (length,) -> str

        With `lines` each end becomes the end of a line.

        Raises:
            FieldError: before `fit`, or what is not one row of ids of this field.
        """
        vocabulary = self._fitted("decode")
        found: list[list[int]] = [[]]
        for i in self._ids(encoded):
            if i == END and self.lines:
                found.append([])
            elif i not in (START, END):
                found[-1].append(i)
        return "\n".join(self._joined(vocabulary.decode(ids, _UNKNOWN_SIGN)) for ids in found)

    def cut_to(self, max_length: int | None) -> TextField:
        """A field of the same vocabulary with another `max_length`: for two columns that share one."""
        field = copy(self)
        field.max_length = max_length
        return field

    def by_lines(self) -> TextField:
        """A field of the same vocabulary with `lines`: for a text of which this one's values are the lines."""
        field = self.cut_to(None)
        field.lines = True
        return field

    def __len__(self) -> int:
        """The number of ids, the three reserved ones included."""
        return len(self._fitted("count its ids"))

    def __bool__(self) -> bool:
        return True  # `if field:` must not ask one that was not fitted for its length

    def to_json(self) -> dict[str, Any]:
        """The arguments and the vocabulary: a list from id 3 on or, for "bpe", the JSON of the tokenizer itself."""
        vocabulary = self._fitted("save").to_json()
        arguments = (self.unit, self.size, self.min_count, self.lowercase, self.split_punctuation, self.lines)
        limit = {} if self.max_length is None else {"max_length": self.max_length}
        return dict(zip(_SAVED, (self.kind, *arguments, vocabulary), strict=True)) | limit

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> TextField:
        """The field that `to_json` saved: the same ids for every text."""
        if saved.get("kind") != cls.kind:
            raise FieldError(f"`kind` of a `TextField` must be {cls.kind!r}, but is {saved.get('kind')!r}")
        saved = {**_LATER, **saved}
        if set(saved) - {"max_length"} != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        flags = {name: saved[name] for name in ("lowercase", "split_punctuation", "lines")}
        field = cls(saved["unit"], saved["size"], saved["min_count"], **flags, max_length=saved.get("max_length"))
        entries = saved["vocabulary"]
        if field.unit == "bpe":
            field._vocabulary = Merged.from_json(entries)
            return field
        if not isinstance(entries, list) or not all(isinstance(each, str) for each in entries):
            raise FieldError(f"`vocabulary` of a field of {field.unit} must be a list of strings, but is not")
        if len(set(entries)) < len(entries):
            raise FieldError(
                f"`vocabulary` must be a list of different strings, but {_twice(entries)!r} is there twice"
            )
        field._vocabulary = Listed(entries, field.unit)
        return field

    def __repr__(self) -> str:
        flags = {"lowercase": False, "split_punctuation": False, "lines": False}
        given = {"size": None, "min_count": 1, **flags, "max_length": None}
        others = [f"{name}={getattr(self, name)}" for name, usual in given.items() if getattr(self, name) != usual]
        return f"TextField({', '.join([repr(self.unit), *others])})"

    def _fitted(self, purpose: str) -> Vocabulary:
        if self._vocabulary is None:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}, but has no vocabulary yet; "
                "call `field.fit(values)` with the texts of the training part, or load one with `unspool.fields.load`"
            )
        return self._vocabulary

    def _texts(self, values: Iterable[str]) -> Iterator[str]:
        """The texts as they are taken apart, one after another; an error at the end where none had text in it."""
        rows, found = 0, False
        for value in values:
            subject = f"value {rows} of `values`"
            for line in _text(value, subject).split("\n") if self.lines else [value]:
                text = self._normalise(line, subject)
                found = found or not (text == "" or text.isspace())
                yield text
            rows += 1
        if not found:
            came = f"all {rows} values are blank" if rows else "there is no value"
            raise FieldError(
                f"`values` must hold text to fit `{self}` on, but {came}; fit on the training part's column"
            )

    def spelled(self, text: str) -> str:
        """A text as its tokens spell it: in composed characters (NFC), where tokens are words or pieces with one blank
        between two words, and where signs are words as these are joined again."""
        text = unicodedata.normalize("NFC", text.lower() if self.lowercase else text)
        if self.unit == "characters":
            return text
        tokens = punctuation.split if self.split_punctuation else str.split
        spell = punctuation.join if self.split_punctuation else " ".join
        return "\n".join(spell(tokens(line)) for line in (text.split("\n") if self.lines else [text]))

    def _normalise(self, value: str, subject: str) -> str:
        text = _text(value, subject)
        text = text.lower() if self.lowercase else text
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
            _check_encodable(text, subject)
        if self.split_punctuation:
            return " ".join(punctuation.split(text))
        return " ".join(text.split()) if self.unit == "bpe" else text

    def _joined(self, text: str) -> str:
        return punctuation.join(text.split()) if self.split_punctuation else text

    def _lines_encoded(self, vocabulary: Vocabulary, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        """The ids of each text's lines, an end between two."""
        lines = iter(vocabulary.encode([self._normalise(line, "`value`") for text in texts for line in text]))
        return [
            [i for number, ids in enumerate(islice(lines, len(text))) for i in ([END] * (number > 0) + ids)]
            for text in texts
        ]

    def _ids(self, encoded: Tensor) -> list[int]:
        if not isinstance(encoded, Tensor):
            raise FieldError(f"`encoded` must be a tensor of ids, but is {_shown(encoded)} ({type(encoded).__name__})")
        if encoded.dim() != 1 or encoded.is_floating_point() or encoded.is_complex() or encoded.dtype == torch.bool:
            raise FieldError(
                "`encoded` must be one row of ids, (length,) of whole numbers, "
                f"but is {tuple(encoded.shape)} of {encoded.dtype}; decode the rows of a batch one by one"
            )
        ids: list[int] = encoded.tolist()
        if strangers := [i for i in ids if not 0 <= i < len(self)]:
            raise FieldError(
                f"`encoded` must hold ids from 0 to {len(self) - 1}, but holds {strangers[0]}; is it another field's?"
            )
        return ids


def _least_size(unit: Unit) -> tuple[int, str]:
    if unit == "bpe":
        return RESERVED + BYTES, "three reserved ids and a byte each"
    return RESERVED + 1, "three reserved ids and one more"


def _check_whole(name: str, value: object, least: int, why: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise FieldError(f"`{name}` must be a whole number of at least {least}{why}, but is {value!r}")


def _text(value: object, subject: str) -> str:
    if not isinstance(value, str):
        raise FieldError(f"{subject} must be a string, but is {_shown(value)} ({type(value).__name__})")
    return value


def _check_encodable(text: str, subject: str) -> None:
    """Half of a surrogate pair is no character: it can come from JSON's escapes, and can't go into any file."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FieldError(
            f"{subject} must be valid Unicode, but has half a surrogate pair at character {error.start}: "
            f"{_shown(text)}; read the file with its true encoding"
        ) from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _twice(entries: Sequence[str]) -> str:
    seen: set[str] = set()
    return next(each for each in entries if each in seen or seen.add(each))  # type: ignore[func-returns-value]
