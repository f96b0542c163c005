"""YAML as plain values, and the line of each key."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from unspool.errors import RecipeError
from unspool.recipes.reading import read, written

_NOT_AS_THEY_ARE = "\u2028\u2029\ufeff\ufffe\uffff"  # those that YAML has only escaped
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters=_NOT_AS_THEY_ARE))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
WORDS = st.from_regex(r"[-+.~]?[0-9a-zA-Z_:.+-]{0,8}", fullmatch=True)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read(written(value), "x").data == value


@given(WORDS)
def test_a_word_that_looks_like_something_else_stays_a_word(word: str) -> None:
    assert read(written({"key": word}), "x").data == {"key": word}


@given(st.recursive(st.integers() | TEXT, lambda inner: st.dictionaries(TEXT, inner, max_size=4)))
def test_json_is_read_as_json(value: Any) -> None:
    assert read(json.dumps(value, ensure_ascii=False), "x").data == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("010", 10),
        ("true", True),
        ("~", None),
        ("null", None),
        ("", None),
        ("none", "none"),
        (".inf", float("inf")),
        ("'1'", "1"),
        ("[1, [a, 2.5]]", [1, ["a", 2.5]]),
        ("mypkg.cells:MyCell", "mypkg.cells:MyCell"),
    ],
)
def test_a_bare_word_is_read_as_yaml_1_2_does(text: str, value: Any) -> None:
    found = read(text, "x").data
    assert found == value
    assert type(found) is type(value)


def test_names_of_languages_may_be_keys() -> None:
    assert read("{de: 1, no: 2, on: 3}", "x").data == {"de": 1, "no": 2, "on": 3}


FILE = """\
about: a test

train:            # a comment
  steps: 3
  betas:
    - 0.9
    - 0.99
model: {encoder: {cell: LSTM,
                  hidden_size: 3}}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("about",), 1),
        (("train",), 3),
        (("train", "steps"), 4),
        (("train", "betas", 1), 7),
        (("model", "encoder", "cell"), 8),
        (("model", "encoder", "hidden_size"), 9),
        (("train", "missing", "further"), 3),
    ],
)
def test_a_key_knows_its_line_and_a_missing_one_that_of_its_section(path: tuple[str, ...], line: int) -> None:
    document = read(FILE, "`my.yaml`")
    assert document.origin(path) == f"`my.yaml`, line {line}"
    assert document.origin(("nowhere",)) == "`my.yaml`"


def test_values_are_those_of_pyyaml_where_both_versions_of_yaml_agree() -> None:
    assert read(FILE, "x").data == yaml.safe_load(FILE)


def test_an_anchor_stands_for_what_it_names() -> None:
    assert read("a: &x {b: 1}\nc: *x", "x").data == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2", "`f`, line 2, column 9: must be YAML, but is not: "),
        ("a: 1\n b: 2", "`f`, line 2, column 3: must be YAML, but is not: mapping values are not allowed here"),
        ("a:\n\t- 1", "`f`, line 2, column 1: must be YAML, but is not: found character '\\t'"),
        ("a: 1\n---\nb: 2", "`f`, line 2, column 1: must be YAML, but is not: but found another document"),
        ("a: \x00", "`f`: must be YAML, but is not: special characters are not allowed"),
        ("a: *b", "`f`, line 1, column 4: must be YAML, but is not: found undefined alias 'b'"),
        (
            "a: !!python/object:os.system x",
            "`f`, line 1: `a` must be plain YAML, but has the tag tag:yaml.org,2002:python/object",
        ),
        ("a: !!binary aGk=", "`f`, line 1: `a` must be plain YAML, but has the tag tag:yaml.org,2002:binary"),
        ("t:\n  a: 1\n  b: 2\n  a: 3", "`f`, line 4: `t.a` must be given once, but is in line 2 as well"),
        ("1: a", "`f`, line 1: a key must be text, but is 1; put it in quotes"),
        ("t:\n  [1]: a", "`f`, line 2: a key must be text, but is [1]; put it in quotes"),
        ("a: &x\n  b: *x", "`f`, line 1: `a.b` is an alias of what it is in; write it out"),
        ("a: !!int x", "`f`, line 1: `a` must be what its tag tag:yaml.org,2002:int says, but is 'x'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text, "`f`")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
