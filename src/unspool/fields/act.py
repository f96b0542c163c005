"""A dialogue act as a vector of what it asks to be said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from unspool import acts
from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.text import TextField
from unspool.tokens import END

_SAVED = ("kind", "kinds", "features")
_UNKNOWN_SIGN = "⁇"


class ActField(Field):
    """A dialogue act as ones and zeros: its kind, then a feature for each thing it says, as of the training part.

        inform(name='red door cafe';kidsallowed=yes;near)    →    inform | kidsallowed=yes  name=SLOT_NAME  near=?

    A value that a text holds as it is written is no feature, but that there is one: `name=SLOT_NAME`, and
    `name=SLOT_NAME_2` for a second. Texts are read with these tokens in place of values, by the `delexicalise` key of a
    recipe's data, and what is written is filled here. What is not said as it is written (yes, no, none, dontcare, a
    slot without value) and `type` are features with their values: the network learns from them alone what to say.

    What never came in the training part is left out of the vector: an act of another kind has no kind, and a feature
    that was never seen is not said, unless its token must be (`slots_once`).

    Fields:
        kinds: the kinds of acts, in alphabetical order: the first entries of a vector, of which one is 1.
        features: the features, in alphabetical order: the entries after them.

    Example:
        >>> field = ActField()
        >>> field.fit(["inform(name=chow;near=soma)", "inform(name=nopa;kidsallowed=yes)", "?request(area)"])
        >>> field.kinds, field.features
        (('?request', 'inform'), ('area=?', 'kidsallowed=yes', 'name=SLOT_NAME', 'near=SLOT_NEAR'))
        >>> field.encode("inform(name='red door cafe';kidsallowed=true)")
        tensor([0., 1., 0., 1., 1., 0.])
        >>> field.decode(torch.tensor([1.0, 0, 1, 0, 0, 0]))
        '?request(area=?)'
        >>> field.fill("inform(name='red door cafe')", "you may like SLOT_NAME")
        'you may like red door cafe'
    """

    kind: ClassVar[str] = "act"
    shape: ClassVar[Literal["sequence", "vector"]] = "vector"

    def __init__(self) -> None:
        self.kinds: tuple[str, ...] = ()
        self.features: tuple[str, ...] = ()
        self._places: dict[str, int] = {}

    def fit(self, values: Iterable[str]) -> None:
        """Learn the kinds and features of the training part's acts.

        Raises:
            FieldError: no act, or a text that is none.
        """
        kinds: set[str] = set()
        features: set[str] = set()
        for value in values:
            act = acts.parse(value)
            kinds.add(act.kind)
            features.update(acts.features(act))
        if not kinds:
            raise FieldError("`values` must hold at least one act, but are none; fit on the training part's column")
        self._set(sorted(kinds), sorted(features))

    def encode(self, value: str) -> Tensor:
        """The vector of an act; what was not in the training part is left out of it. -> (kinds + features,) float32

        Raises:
            FieldError: before `fit`, or a text that is no act.
        """
        places = self._fitted("encode")
        act = acts.parse(value)
        vector = torch.zeros(len(self))
        if act.kind in self.kinds:
            vector[self.kinds.index(act.kind)] = 1
        vector[[places[name] for name in acts.features(act) if name in places]] = 1
        return vector

    def decode(self, encoded: Tensor) -> str:
        """The act of a vector, without its values, "⁇" for an unknown kind. (kinds + features,) -> str

        Raises:
            FieldError: before `fit`, or what is no vector of an act.
        """
        self._fitted("decode")
        if not isinstance(encoded, Tensor) or encoded.shape != (len(self),) or not set(encoded.tolist()) <= {0, 1}:
            raise FieldError(
                f"`encoded` must be {len(self)} ones and zeros, but is {encoded!r}; is it another field's?"
            )
        kinds = [name for name, one in zip(self.kinds, encoded.tolist(), strict=False) if one]
        if len(kinds) > 1:
            raise FieldError(f"`encoded` must be of one kind, but is of {', '.join(kinds)}")
        rest = encoded[len(self.kinds) :].tolist()
        said = ";".join(name for name, one in zip(self.features, rest, strict=True) if one)
        return f"{kinds[0] if kinds else _UNKNOWN_SIGN}({said})"

    def required(self, act: str) -> tuple[str, ...]:
        """The tokens that a delexicalised sentence must hold, each once."""
        return acts.required(act)

    def delexicalise(self, act: str, text: str) -> str:
        """A text with tokens in place of the act's values: see `unspool.acts.delexicalise`."""
        return acts.delexicalise(act, text)

    def fill(self, act: str, text: str) -> str:
        """A text with the act's values in place of tokens: see `unspool.acts.fill`."""
        return acts.fill(act, text)

    def slots_once(self, values: Sequence[str], text: TextField) -> tuple[Tensor, Tensor]:
        """What `unspool.decode.exactly` takes, so that each sentence says each of its act's slots once and no other.

            greedy(model, encoded, constrain=exactly(*field.slots_once(values, text), max_length=60), max_length=60)

        Args:
            values: the acts, one a row.
            text: the field of the sentences. A token that it does not know can't be said and is left out.

        Returns:
            All of `text`'s tokens of slots, (k,), and how often each must come, (rows, k).

        Raises:
            FieldError: a text that is no act; a field of anything but words as they are.
        """
        if text.unit != "words" or text.lowercase:
            raise FieldError(f"`text` must be a field of words that are not lower-cased, but is {text}")
        vocabulary = text.to_json()["vocabulary"]
        ids = {word: i for i, word in enumerate(vocabulary, END + 1) if acts.is_token(word)}
        counts = torch.zeros(len(values), len(ids), dtype=torch.int64)
        places = {word: place for place, word in enumerate(ids)}
        for row, value in enumerate(values):
            counts[row, [places[token] for token in acts.required(value) if token in places]] = 1
        return torch.tensor(list(ids.values()), dtype=torch.int64), counts

    def __len__(self) -> int:
        """The size of a vector."""
        self._fitted("count its features")
        return len(self.kinds) + len(self.features)

    def __bool__(self) -> bool:
        return True  # `if field:` must not ask one that was not fitted for its length

    def to_json(self) -> dict[str, Any]:
        self._fitted("save")
        return dict(zip(_SAVED, (self.kind, list(self.kinds), list(self.features)), strict=True))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> ActField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        for name in _SAVED[1:]:
            texts = saved[name]
            if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
                raise FieldError(f"`{name}` must be a list of texts, but is {texts!r}")
            if texts != sorted(set(texts)):
                raise FieldError(f"`{name}` must be different texts in alphabetical order, but are {texts}")
        if not saved["kinds"]:
            raise FieldError("`kinds` must hold at least one kind of act, but is empty")
        field = cls()
        field._set(saved["kinds"], saved["features"])
        return field

    def __repr__(self) -> str:
        return "ActField()"

    def _set(self, kinds: Sequence[str], features: Sequence[str]) -> None:
        self.kinds, self.features = tuple(kinds), tuple(features)
        self._places = {name: place for place, name in enumerate(self.features, len(self.kinds))}

    def _fitted(self, purpose: str) -> dict[str, int]:
        if not self.kinds:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}, but knows no acts yet; "
                "call `field.fit(values)` with the acts of the training part"
            )
        return self._places
