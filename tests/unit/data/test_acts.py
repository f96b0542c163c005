"""Files of dialogue acts, and texts read without the values of theirs."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from unspool.data import load, read
from unspool.errors import DataError

FILE = """#####
# Made for this test
#####
[
    [
        "inform(name='red door cafe';food=thai)",
        "red door cafe serves thai food",
        "red door cafe is a nice place"
    ],
    ["?request(area)", "where \\u00e0 peu pr\\u00e8s ?", "which area"], ["bye()", "bye", "# good bye"]
]
"""
ROWS = [
    ("inform(name='red door cafe';food=thai)", "red door cafe serves thai food", "red door cafe is a nice place"),
    ("?request(area)", "where à peu près ?", "which area"),
    ("bye()", "bye", "# good bye"),
]


@pytest.mark.parametrize("name", ["acts.json", "acts.json.gz"])
def test_every_act_is_a_row(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(FILE.encode()) if name.endswith(".gz") else FILE.encode())
    table = read(tmp_path / name, format="acts")
    assert table.columns == ("act", "text", "template")
    assert [tuple(row.values()) for row in table] == ROWS
    some = read(tmp_path / name, format="acts", columns={"said": "text", "act": "act"})
    assert [tuple(row.values()) for row in some] == [(text, act) for act, text, _ in ROWS]


ENTRY = '["inform(name=nopa)", "nopa is nice", "nopa is a nice place"]'
MISTAKES = {
    "no list": ("# none\n{}\n", 2, "a file must hold a list of acts in brackets, but `{}` comes"),
    "comments alone": ("# none\n\n", 3, "a file must hold a list of acts in brackets, but the file ends; ~"),
    "cut short": (f"[{ENTRY},\n", 2, f"an entry must be JSON, as `{ENTRY}`, but is not: Expecting value"),
    "cut in a text": (f'[\n{ENTRY}, ["a', 2, f"an entry must be JSON, as `{ENTRY}`, but is not: Unterminated ~"),
    "cut after an entry": (f"[{ENTRY}\n", 2, "an entry must be followed by `,` or the closing `]`, but the file ~"),
    "no comma": (f"[{ENTRY}\n{ENTRY}]", 2, "an entry must be followed by `,` or the closing `]`, but ~"),
    "two lists": (f"[{ENTRY}]\n\n[]", 3, "nothing must follow the closing `]`, but `[]` comes"),
    "two texts": (f'#\n[{ENTRY},\n["a", "b"]]', 3, f'an entry must be three texts, as `{ENTRY}`, but is `["a", "b"]`'),
    "an object": (f'[{ENTRY},\n\n{{"a": 1}}]', 3, f'an entry must be three texts, as `{ENTRY}`, but is `{{"a": 1}}`'),
    "a number": ('[\n["a", "b", 3]]', 2, f'an entry must be three texts, as `{ENTRY}`, but is `["a", "b", 3]`'),
    "half a pair": ('[\n["a", "b", "\\ud800"]]', 2, "a text must be valid Unicode, but has half a surrogate pair"),
    "too deep": ("[\n" + "[" * 100_000, 2, f"an entry must be JSON, as `{ENTRY}`, but is not: nested too deeply"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, cache: Path, case: str) -> None:
    content, number, message = MISTAKES[case]
    file = tmp_path / "acts.json"
    file.write_text(content)
    with pytest.raises(DataError) as error:
        read(file, format="acts")
    told, said = str(error.value), f"`{file}`, line {number}: {message}"
    assert told.startswith(said[:-1]) if said.endswith("~") else told == said
    assert not [each for each in cache.rglob("*") if each.is_file()]


def test_a_file_without_acts_is_empty(tmp_path: Path) -> None:
    (tmp_path / "acts.json").write_text("[ ]")
    with pytest.raises(DataError, match="must hold at least one row, but is empty"):
        read(tmp_path / "acts.json", format="acts")


def test_texts_are_read_without_the_values_of_their_acts(tmp_path: Path) -> None:
    (tmp_path / "acts.json").write_text(FILE)
    options: dict[str, Any] = {"path": tmp_path / "acts.json", "format": "acts"}
    columns = {"said": "text", "template": "template", "mr": "act"}
    plain = load(**options, columns=columns)["train"]
    found = load(**options, columns=columns, delexicalise={"said": "mr", "template": "mr"})["train"]
    assert [tuple(row.values()) for row in found] == [
        ("SLOT_NAME serves SLOT_FOOD food", "SLOT_NAME is a nice place", ROWS[0][0]),
        ("where à peu près ?", "which area", ROWS[1][0]),
        ("bye", "# good bye", ROWS[2][0]),
    ]
    one = load(**options, columns=columns, delexicalise={"said": "mr"})["train"]
    assert list(one.column("template")) == list(plain.column("template"))
    assert len({plain.key, found.key, one.key}) == 3
    assert load(**options, columns=columns, delexicalise={"said": "mr"})["train"].key == one.key


def test_any_table_with_acts_can_be_read_so(tmp_path: Path) -> None:
    rows = [f'"name[Cafe {i}], near[Bar {i % 7}]","Cafe {i} is near Bar {i % 7}."' for i in range(5000)]
    (tmp_path / "e2e.csv").write_text("mr,ref\n" + "\n".join(rows) + "\n")
    columns, split = {"act": "mr", "text": "ref"}, {"by": "act", "valid": 0.1, "test": 0.1}
    tables = load(path=tmp_path / "e2e.csv", columns=columns, delexicalise={"text": "act"}, split=split)
    assert sum(map(len, tables.values())) == 5000
    for table in tables.values():
        assert set(table.column("text")) == {"SLOT_NAME is near SLOT_NEAR ."}


def failure(tmp_path: Path, **delexicalise: str) -> str:
    rows = "".join(f"inform(name=chow),chow is {i},{i}\n" for i in range(5000))
    (tmp_path / "rows.csv").write_text(f"act,text,n\n{rows}hello,chow,1\n")
    (tmp_path / "rows.jsonl").write_text('{"act": "bye()", "text": null}\n')
    path = tmp_path / ("rows.jsonl" if "null" in delexicalise else "rows.csv")
    with pytest.raises(DataError) as error:
        load(path=path, columns=["act", "text"], delexicalise=delexicalise.get("null") or delexicalise)
    return str(error.value)


def test_what_can_not_be_taken_out_is_told_with_its_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    assert failure(tmp_path, text="act") == (
        f"row 5000 of `{file}`: an act must be written as `inform(name='red door cafe';area=mission)` or "
        "`name[The Vaults], food[French]`, but is `hello`"
    )
    assert failure(tmp_path, txt="act") == (
        f"`txt` of `delexicalise` is no column of `{file}` that is taken; there are act, text (nearest: `text`)"
    )
    assert failure(tmp_path, text="n").startswith("`n` of `delexicalise` is no column")
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "rows.jsonl", delexicalise={"text": "act"})
    assert str(error.value) == (
        f"`text` of `delexicalise` must be a column of texts, but `{tmp_path / 'rows.jsonl'}` has None in it"
    )
