"""What makes no batch is refused with a sentence that names the subject, the rule, what came, and what to do."""

from typing import NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from unspool import Padded, Ragged
from unspool.errors import BatchError, UnspoolError

META = torch.tensor([3, 2], device="meta")
BATCH = Ragged(torch.arange(5.0), [3, 0, 2])
RECTANGLE = torch.zeros(2, 3, 4)


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


# What is wrong: (what does it, the whole sentence).
OF_LENGTHS = {
    "sum to too little": (
        lambda: Ragged(torch.zeros(5), [3, 1]),
        "`lengths` must sum to `len(values)` (5), but sums to 4; use `Ragged.from_padded` if rows hold padding",
    ),
    "sum to too much": (
        lambda: Ragged(torch.zeros(2, 3), [3, 2]),
        "`lengths` must sum to `len(values)` (2), but sums to 5; use `Ragged.from_padded` if rows hold padding",
    ),
    "of nobody, for some steps": (
        lambda: Ragged(torch.zeros(5), []),
        "`lengths` must sum to `len(values)` (5), but sums to 0; use `Ragged.from_padded` if rows hold padding",
    ),
    "negative": (
        lambda: Ragged(torch.zeros(2), [3, 0, -1]),
        "`lengths` must not be negative, but row 2 has -1; zero is a length",
    ),
    "negative in a rectangle": (
        lambda: Padded(RECTANGLE, [-2, 3]),
        "`lengths` must not be negative, but row 0 has -2; zero is a length",
    ),
    "fractions": (
        lambda: Ragged(torch.zeros(5), torch.tensor([3.0, 2.0])),
        "`lengths` must be whole numbers, but are torch.float32; use `lengths.long()`",
    ),
    "fractions in a list": (
        lambda: Padded(RECTANGLE, [3.0, 2.0]),
        "`lengths` must be whole numbers, but are torch.float32; use `lengths.long()`",
    ),
    "true or false": (
        lambda: Ragged.from_padded(RECTANGLE, torch.tensor([True, True])),
        "`lengths` must be whole numbers, but are torch.bool; use `lengths.long()`",
    ),
    "in two dimensions": (
        lambda: Ragged(torch.zeros(5), [[3], [2]]),
        "`lengths` must be (batch,), but has shape (2, 1)",
    ),
    "a single number": (
        lambda: Ragged(torch.zeros(5), torch.tensor(5)),
        "`lengths` must be (batch,), but has shape ()",
    ),
    "on another device": (
        lambda: Ragged(torch.zeros(5), META),
        "`lengths` must be on the CPU, but is on meta; use `lengths.cpu()` (the values stay where they are)",
    ),
    "too many for a rectangle": (
        lambda: Padded(RECTANGLE, [1, 2, 3]),
        "`lengths` must name one length a row of `values` (2), but names 3; "
        "`Padded` takes values of shape (batch, time, *features)",
    ),
    "too few for a rectangle": (
        lambda: Ragged.from_padded(RECTANGLE, [1]),
        "`lengths` must name one length a row of `values` (2), but names 1; "
        "`Ragged.from_padded` takes values of shape (batch, time, *features)",
    ),
    "past the rectangle": (
        lambda: Padded(RECTANGLE, [1, 4]),
        "`lengths` must be at most the 3 steps of `values`, but row 1 has 4; "
        "cut the lengths, or pad the values further",
    ),
    "past the rectangle to be unpadded": (
        lambda: Ragged.from_padded(RECTANGLE, [5, 4]),
        "`lengths` must be at most the 3 steps of `values`, but row 0 has 5; "
        "cut the lengths, or pad the values further",
    ),
}

OF_VALUES = {
    "a single number": (
        lambda: Ragged(torch.tensor(1.0), [1]),
        "`values` must be (total, *features), but is a single number",
    ),
    "a rectangle without time": (
        lambda: Padded(torch.zeros(3), [1, 1, 1]),
        "`values` must be (batch, time, *features), but has shape (3,)",
    ),
    "unpadded without time": (
        lambda: Ragged.from_padded(torch.zeros(3), [1, 1, 1]),
        "`values` must be (batch, time, *features), but has shape (3,)",
    ),
    "of fewer steps after a map": (
        lambda: BATCH.map(lambda values: values[:2]),
        "`values` must keep its 5 steps, but has 2",
    ),
    "of more steps": (
        lambda: BATCH.with_values(torch.zeros(6, 2)),
        "`values` must keep its 5 steps, but has 6",
    ),
    "narrower than the lengths": (
        lambda: Padded(RECTANGLE, [3, 1]).with_values(torch.zeros(2, 2)),
        "`lengths` must be at most the 2 steps of `values`, but row 0 has 3; "
        "cut the lengths, or pad the values further",
    ),
    "not nested": (
        lambda: Ragged.from_nested(RECTANGLE),
        "`nested` must be a nested tensor, but is a plain one of shape (2, 3, 4)",
    ),
    "nested, ragged in its third dimension": (
        lambda: Ragged.from_nested(Ragged(torch.zeros(5, 4), [3, 2]).to_nested().transpose(1, 2)),
        "`nested` must be ragged in time, its second dimension, but is in 2",
    ),
    "a list of nothing": (
        lambda: Ragged.from_list([]),
        "`sequences` must hold at least one tensor, but is empty; "
        "for a batch of none write `Ragged(torch.empty(0, features), [])`",
    ),
}

OF_IDS = {
    "too few": (
        lambda: Ragged(torch.zeros(5), [3, 2], ids=[7]),
        "`ids` must be 2 whole numbers, one a sequence, but has shape (1,) of torch.int64",
    ),
    "in two dimensions": (
        lambda: Padded(RECTANGLE, [3, 2], ids=torch.zeros(2, 1, dtype=torch.int32)),
        "`ids` must be 2 whole numbers, one a sequence, but has shape (2, 1) of torch.int32",
    ),
    "fractions": (
        lambda: Ragged(torch.zeros(5), [3, 2], ids=[0.0, 1.0]),
        "`ids` must be 2 whole numbers, one a sequence, but has shape (2,) of torch.float32",
    ),
    "too many for a packed sequence": (
        lambda: Ragged.from_packed(pack_sequence([torch.zeros(2)]), ids=torch.arange(2)),
        "`ids` must be 1 whole numbers, one a sequence, but has shape (2,) of torch.int64",
    ),
}

OF_MASKS = {
    "with a hole": (
        lambda: Ragged.from_padded(RECTANGLE, mask=mask("xxx", "x.x")),
        "`mask` must be True up to each length and False from there on, but row 1 is False at step 1 "
        "and True at step 2; move the real steps to the front",
    ),
    "with real steps last": (
        lambda: Ragged.from_padded(RECTANGLE, mask=mask("..x", "..x")),
        "`mask` must be True up to each length and False from there on, but row 0 is False at step 0 "
        "and True at step 2; move the real steps to the front",
    ),
    "of numbers": (
        lambda: Ragged.from_padded(RECTANGLE, mask=torch.ones(2, 3, dtype=torch.int64)),
        "`mask` must be (2, 3) of torch.bool, as the rectangle, but has shape (2, 3) of torch.int64",
    ),
    "of features": (
        lambda: Ragged.from_padded(RECTANGLE, mask=torch.ones(2, 3, 4, dtype=torch.bool)),
        "`mask` must be (2, 3) of torch.bool, as the rectangle, but has shape (2, 3, 4) of torch.bool",
    ),
    "missing, and lengths too": (
        lambda: Ragged.from_padded(RECTANGLE),
        "`from_padded` takes either `lengths` or `mask`, but got neither",
    ),
    "beside lengths": (
        lambda: Ragged.from_padded(RECTANGLE, [3, 3], mask=mask("xxx", "xxx")),
        "`from_padded` takes either `lengths` or `mask`, but got both",
    ),
}

OF_COMPANY = {
    "packing an empty sequence": (
        BATCH.to_packed,
        "`PackedSequence` holds no empty sequence, but the lengths are [3, 0, 2]; "
        "drop the empty ones first: `batch.select(batch.lengths > 0)`",
    ),
    "a rectangle too narrow": (
        lambda: BATCH.to_padded(max_length=2),
        "`max_length` must be at least the longest length (3), but is 2; cut the sequences with `steps(0, max_length)`",
    ),
    "mapping beside other lengths": (
        lambda: BATCH.map(torch.add, BATCH, Ragged(torch.zeros(5), [3, 2, 0])),
        "`others` must have the lengths [3, 0, 2], but has [3, 2, 0]",
    ),
    "mapping beside another batch size": (
        lambda: BATCH.map(torch.add, Ragged(torch.zeros(5), [5])),
        "`others` must have the lengths [3, 0, 2], but has [5]",
    ),
    "joining other examples": (
        lambda: Ragged.join([BATCH, BATCH, BATCH.select([2, 1, 0])]),
        "`pieces` must hold the same examples [0, 1, 2], but one holds [2, 1, 0]",
    ),
    "joining fewer examples": (
        lambda: Ragged.join([BATCH, BATCH.select([0])]),
        "`pieces` must hold the same examples [0, 1, 2], but one holds [0]",
    ),
}


class Case(NamedTuple):
    make: object
    sentence: str


GROUPS = {
    "lengths": OF_LENGTHS,
    "values": OF_VALUES,
    "ids": OF_IDS,
    "masks": OF_MASKS,
    "company": OF_COMPANY,
}
CASES = {f"{group}: {name}": Case(*case) for group, cases in GROUPS.items() for name, case in cases.items()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_sentence_is(case):
    with pytest.raises(BatchError) as error:
        case.make()
    assert str(error.value) == case.sentence


def test_it_can_be_caught_as_a_value_error_or_as_any_error_of_ours():
    assert issubclass(BatchError, ValueError)
    assert issubclass(BatchError, UnspoolError)


def test_a_batch_of_none_is_not_packed_either():
    """torch has no packed sequence of nobody, and dropping empty sequences would not help."""
    with pytest.raises(BatchError) as error:
        BATCH.select([]).to_packed()
    assert "drop the empty ones" not in str(error.value)


def test_the_way_out_that_a_sentence_names_works():
    """Of those that name code."""
    assert Ragged.from_padded(torch.zeros(2, 3), [3, 2]).lengths.tolist() == [3, 2]
    assert BATCH.select(BATCH.lengths > 0).to_packed().batch_sizes.tolist() == [2, 2, 1]
    assert BATCH.steps(0, 2).to_padded(max_length=2).values.shape == (3, 2)
    assert Ragged(torch.empty(0, 4), []).batch_size == 0
    assert Ragged(torch.zeros(5), torch.tensor([3.0, 2.0]).long()).batch_size == 2
