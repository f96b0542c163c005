"""What text fields say of a mistake."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unspool import fields
from unspool.errors import FieldError
from unspool.fields import KINDS, TextField

UNITS: dict[str, dict[str, Any]] = {"characters": {}, "words": {}, "bpe": {"size": 300}}


def fitted(unit: str, values: list[Any], **arguments: Any) -> TextField:
    field = TextField(unit, **(UNITS[unit] | arguments))  # type: ignore[arg-type]
    field.fit(values)
    return field


BPE = fitted("bpe", ["the cat sat"])


def ids(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def saved(**changes: Any) -> dict[str, Any]:
    return fitted("words", ["a"]).to_json() | changes


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "encode before fit": (
        lambda: TextField("words").encode("a"),
        "`TextField('words')` must be fitted before it can encode, but has no vocabulary yet; call `field.fit(values)` "
        "with the texts of the training part, or load one with `unspool.fields.load`",
    ),
    "decode before fit": (
        lambda: TextField("bpe", 8000).decode(ids(3)),
        "`TextField('bpe', size=8000)` must be fitted before it can decode, but has no vocabulary yet",
    ),
    "length before fit": (lambda: len(TextField()), "must be fitted before it can count its ids"),
    "save before fit": (
        lambda: TextField(min_count=2, lowercase=True).to_json(),
        "`TextField('characters', min_count=2, lowercase=True)` must be fitted before it can save",
    ),
    "an unknown unit": (
        lambda: TextField("char"),  # type: ignore[arg-type]
        "`unit` must be one of characters, words, bpe, but is 'char'",
    ),
    "bpe without a size": (
        lambda: TextField("bpe"),
        '`size` must be given for the unit "bpe", but is None; 8000 is a good start',
    ),
    "bpe too small": (
        lambda: TextField("bpe", 258),
        "`size` must be a whole number of at least 259, three reserved ids and a byte each, but is 258",
    ),
    "words too few": (
        lambda: TextField("words", 3),
        "`size` must be a whole number of at least 4, three reserved ids and one more, but is 3",
    ),
    "a size in quotes": (lambda: TextField("words", "9"), "at least 4, three reserved ids and one more, but is '9'"),  # type: ignore[arg-type]
    "no count": (lambda: TextField(min_count=0), "`min_count` must be a whole number of at least 1, but is 0"),
    "no length": (
        lambda: TextField(max_length=0),
        "`max_length` must be a whole number of at least 1, but is 0",
    ),
    "a case of no": (lambda: TextField(lowercase="no"), "`lowercase` must be True or False, but is 'no'"),  # type: ignore[arg-type]
    "a number to encode": (
        lambda: fitted("words", ["a"]).encode(3),  # type: ignore[arg-type]
        "`value` must be a string, but is 3 (int)",
    ),
    "none among many": (
        lambda: BPE.encode_many(["a", None]),  # type: ignore[list-item]
        "`value` must be a string, but is None (NoneType)",
    ),
    "half a surrogate pair": (
        lambda: BPE.encode("a \ud83d"),
        "`value` must be valid Unicode, but has half a surrogate pair at character 2: 'a \\ud83d'",
    ),
    "one text to fit": (
        lambda: TextField().fit("abc"),
        "`values` must be many strings, but is one: 'abc'; use `field.fit([text])`",
    ),
    "one text for many": (
        lambda: BPE.encode_many("abc"),
        "`values` must be many strings, but is one: 'abc'; use `field.encode(text)`",
    ),
    "ids of another field": (
        lambda: fitted("words", ["a b"]).decode(ids(3, 17)),
        "`encoded` must hold ids from 0 to 4, but holds 17; is it another field's?",
    ),
    "a negative id": (lambda: BPE.decode(ids(-1)), "but holds -1; is it another field's?"),
    "a batch to decode": (
        lambda: BPE.decode(torch.zeros(2, 3, dtype=torch.int64)),
        "`encoded` must be one row of ids, (length,) of whole numbers, but is (2, 3) of torch.int64; "
        "decode the rows of a batch one by one",
    ),
    "probabilities to decode": (lambda: BPE.decode(torch.zeros(3)), "but is (3,) of torch.float32"),
    "a list to decode": (
        lambda: BPE.decode([3]),  # type: ignore[arg-type]
        "`encoded` must be a tensor of ids, but is [3] (list)",
    ),
    "an unknown kind": (
        lambda: fields.load({"kind": "txt"}),
        f"`kind` must be one of {', '.join(KINDS)}, but is 'txt' (nearest: `text`); "
        "a kind of your own goes into `unspool.fields.KINDS` first",
    ),
    "a kind that is no name": (lambda: fields.load({"kind": ["text"]}), "but is ['text'] (nearest: `text`)"),
    "no kind": (
        lambda: fields.load({"unit": "words"}),
        "`saved` must be a JSON object with a `kind`, as `Field.to_json` writes it, "
        "but is one with the keys ['unit']; pass what `to_json` returned",
    ),
    "no object": (lambda: fields.load("text"), "but is a str; pass what `to_json` returned"),  # type: ignore[arg-type]
    "another kind's": (
        lambda: TextField.from_json(saved(kind="image")),
        "`kind` of a `TextField` must be 'text', but is 'image'",
    ),
    "a key too many": (
        lambda: fields.load(saved(speed=1)),
        "`saved` must have the keys ['kind', 'lines', 'lowercase', 'min_count', 'size', 'split_punctuation', 'unit', "
        "'vocabulary'], but has ['kind', 'lines', 'lowercase', 'min_count', 'size', 'speed', 'split_punctuation', "
        "'unit', 'vocabulary']",
    ),
    "a vocabulary of numbers": (
        lambda: fields.load(saved(vocabulary=[1, 2])),
        "`vocabulary` of a field of words must be a list of strings, but is not",
    ),
    "a vocabulary with a word twice": (
        lambda: fields.load(saved(vocabulary=["a", "b", "a"])),
        "`vocabulary` must be a list of different strings, but 'a' is there twice",
    ),
    "a tokenizer that is none": (
        lambda: fields.load(BPE.to_json() | {"vocabulary": {"model": "broken"}}),
        "`vocabulary` of a bpe field must be the JSON of a tokenizer, but `tokenizers` says: ",
    ),
    "too rare": (
        lambda: fitted("words", ["a b b", "c"], min_count=3),
        "`min_count` must leave some of the words, but none of the 3 different ones comes 3 times; "
        "the most frequent comes 2 times",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_what_came(case: str) -> None:
    mistake, message = MISTAKES[case]
    with pytest.raises(FieldError) as error:
        mistake()
    assert message in str(error.value)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [],
            "`values` must hold text to fit `TextField({})` on, but there is no value; "
            "fit on the training part's column",
        ),
        (["", " \n"], "must hold text to fit `TextField({})` on, but all 2 values are blank"),
        (["a", "b", None], "value 2 of `values` must be a string, but is None (NoneType)"),
        (["a", 3.5], "value 1 of `values` must be a string, but is 3.5 (float)"),
        (["a", "\udc80"], "value 1 of `values` must be valid Unicode, but has half a surrogate pair at character 0"),
    ],
)
def test_a_column_that_cannot_be_fitted_is_named(unit: str, values: list[Any], message: str) -> None:
    shown = "'bpe', size=300" if unit == "bpe" else repr(unit)
    with pytest.raises(FieldError) as error:
        fitted(unit, values)
    assert message.format(shown) in str(error.value)
