"""Raw inputs answered batch by batch: by column, and from openings."""

import pytest
import torch

from unspool.errors import FieldError
from unspool.tasks.asking import by_column, is_nothing


def test_values_are_of_no_column_where_none_is_read() -> None:
    assert by_column((), [[[60], [62]], {}, None]) == {}
    assert by_column(("x",), ["a", {"x": "b"}]) == {"x": ["a", "b"]}
    with pytest.raises(FieldError) as error:
        by_column(("x", "y"), ["a"])
    assert str(error.value) == """input 0 must name all columns that are read, {"x": …, "y": …}, but is 'a'"""


def test_an_opening_may_be_nothing_in_many_forms() -> None:
    assert all(is_nothing(each) for each in (None, [], "", {}, torch.zeros(0, 3)))
    assert not any(is_nothing(each) for each in ([[]], " ", 0, torch.zeros(1, 3)))
