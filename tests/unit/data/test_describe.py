"""What is said of tables, for people and as plain values."""

import json

import numpy as np

from unspool.data import Table, describe

TABLE = Table.from_rows(
    [{"text": "x" * i, "n": i, "items": [0] * i} for i in range(1, 101)] + [{"text": "", "n": None, "items": None}]
)


def test_lengths_are_counted_in_characters_and_items() -> None:
    columns = describe({"train": TABLE}).parts["train"].columns
    lengths = [*range(1, 101), 0]
    assert columns["text"].lengths == tuple(
        int(each) for each in np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf")
    )
    assert columns["items"].lengths == (1, 25, 50, 75, 100)
    assert columns["n"].lengths is None
    assert [columns[name].missing for name in ("text", "n", "items")] == [1, 1, 1]


def test_it_is_plain_values_and_a_page() -> None:
    tables = {"train": TABLE, "test": Table.from_rows([{"text": "word " * 30, "n": 1}])}
    found = json.loads(json.dumps(describe(tables, examples=2).to_json()))
    assert found["parts"]["train"]["rows"] == 101
    assert found["parts"]["train"]["examples"][1] == {"text": "xx", "n": 2, "items": [0, 0]}
    assert str(describe(tables, examples=1)).splitlines() == [
        "train: 101 rows of memory",
        "  text   string, 0 to 100 characters (quartiles 25, 50, 75), 1 empty",
        "  n      int64, 1 empty",
        "  items  list<item: int64>, 1 to 100 items (quartiles 25, 50, 75), 1 empty",
        '  {"text": "x", "n": 1, "items": [0]}',
        "",
        "test: 1 row of memory",
        "  text  string, 150 to 150 characters (quartiles 150, 150, 150)",
        "  n     int64",
        f'  {{"text": "{("word " * 30)[:59]}…", "n": 1}}',
    ]
