"""Error rates of sequences, against a plain Levenshtein distance and jiwer."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.errors import DataError
from unspool.metrics import (
    METRICS,
    character_error_rate,
    exact_match,
    spoken_word_error_rate,
    token_error_rate,
    word_error_rate,
)

TOKENS = st.lists(st.sampled_from(["k", "ae", "t", "d", "ao"]), max_size=6).map(" ".join)
FULL = st.lists(st.sampled_from(["k", "ae", "t", "d", "ao"]), min_size=1, max_size=6).map(" ".join)
SPOKEN = st.text("ab ñ\t\n", max_size=6)
ROWS = st.lists(st.tuples(TOKENS, st.lists(FULL, min_size=1, max_size=3)), min_size=1, max_size=6)


def distance(left: list[str], right: list[str]) -> int:
    """Levenshtein (1966), the table written out."""
    table = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        above, table = table, [i]
        for j, other in enumerate(right, 1):
            table.append(min(above[j] + 1, table[j - 1] + 1, above[j - 1] + (one != other)))
    return table[-1]


@given(ROWS)
def test_token_error_rate_is_edits_to_the_nearest_over_its_length(rows: list[tuple[str, list[str]]]) -> None:
    edits = tokens = 0
    for hypothesis, known in rows:
        distances = [distance(hypothesis.split(), each.split()) for each in known]
        edits += min(distances)
        near = [each for each, found in zip(known, distances, strict=True) if found == min(distances)]
        tokens += min(len(each.split()) for each in near)
    score = token_error_rate(*map(list, zip(*rows, strict=True)))
    assert score.value == pytest.approx(100 * edits / tokens)
    assert score.details == {"edits": edits, "reference_tokens": tokens}


@given(st.lists(st.tuples(TOKENS, FULL), min_size=1, max_size=6))
def test_token_error_rate_of_one_reference_is_jiwers(rows: list[tuple[str, str]]) -> None:
    hypotheses, references = map(list, zip(*rows, strict=True))
    expected = 100 * jiwer.wer(references, hypotheses)
    assert token_error_rate(hypotheses, [[each] for each in references]).value == pytest.approx(expected)


@given(ROWS)
def test_word_error_rate_is_the_share_that_equals_no_reference(rows: list[tuple[str, list[str]]]) -> None:
    wrong = [hypothesis not in known for hypothesis, known in rows]
    hypotheses, references = map(list, zip(*rows, strict=True))
    score = word_error_rate(hypotheses, references)
    assert score.value == pytest.approx(100 * sum(wrong) / len(wrong))
    assert score.details == {"wrong": sum(wrong), "sequences": len(rows)}
    assert exact_match(hypotheses, references).value == pytest.approx(100 - score.value)
    assert exact_match(hypotheses, references).details == {"right": len(rows) - sum(wrong), "sequences": len(rows)}


@given(ROWS)
def test_the_order_of_references_does_not_matter(rows: list[tuple[str, list[str]]]) -> None:
    turned = [(hypothesis, known[::-1]) for hypothesis, known in rows]
    for metric in ("wer", "per", "accuracy"):
        assert METRICS[metric](*map(list, zip(*rows, strict=True))) == METRICS[metric](
            *map(list, zip(*turned, strict=True))
        )


def test_of_references_equally_near_the_shortest_counts() -> None:
    assert token_error_rate(["a b"], [["a", "a b c"]]).details == {"edits": 1, "reference_tokens": 1}


def test_the_number_of_blanks_does_not_matter() -> None:
    assert word_error_rate([" a  b\n"], [["a b"]]).value == 0
    assert token_error_rate([" a  b\n"], [["a b"]]).value == 0
    assert word_error_rate(["ab"], [["a b"]]).value == 100


def test_case_matters() -> None:
    assert word_error_rate(["A"], [["a"]]).value == 100


def test_a_rate_may_be_above_100() -> None:
    assert token_error_rate(["a b c d"], [["x"]]).value == 400


def test_empty_references_count_as_long_as_another_row_has_tokens() -> None:
    assert token_error_rate(["a", "b c"], [[""], ["b c"]]).value == 50
    assert word_error_rate([""], [[""]]).value == 0


def test_no_token_in_any_reference_is_an_error() -> None:
    with pytest.raises(DataError) as error:
        token_error_rate(["a"], [[""]])
    assert str(error.value) == "`references` must hold at least one token, but the nearest ones are all empty"


def test_the_better_direction_and_the_name_are_told() -> None:
    scores = [METRICS[name](["a", "b"], [["a"], ["c"]]) for name in ("wer", "per", "accuracy")]
    assert [(each.name, each.better) for each in scores] == [
        ("wer", "lower"),
        ("per", "lower"),
        ("accuracy", "higher"),
    ]
    assert [each.signature for each in scores] == [
        "nrefs:1|unit:sequence",
        "nrefs:1|unit:token",
        "nrefs:1|unit:sequence",
    ]


@given(ROWS)
def test_the_word_error_rate_of_speech_is_that_of_tokens_by_another_name(rows: list[tuple[str, list[str]]]) -> None:
    columns = tuple(map(list, zip(*rows, strict=True)))
    spoken, tokens = spoken_word_error_rate(*columns), token_error_rate(*columns)
    assert (spoken.value, spoken.details, spoken.better) == (tokens.value, tokens.details, "lower")
    assert spoken.name == "spoken_wer"
    assert spoken.signature.endswith("|unit:word")


@given(st.lists(st.tuples(SPOKEN, st.lists(SPOKEN.filter(str.strip), min_size=1, max_size=3)), min_size=1, max_size=5))
def test_character_error_rate_is_edits_to_the_nearest_over_its_length(rows: list[tuple[str, list[str]]]) -> None:
    edits = characters = 0
    for hypothesis, known in rows:
        told, others = " ".join(hypothesis.split()), [" ".join(each.split()) for each in known]
        least, length = min((distance(list(told), list(each)), len(each)) for each in others)
        edits, characters = edits + least, characters + length
    score = character_error_rate(*map(list, zip(*rows, strict=True)))
    assert score.value == pytest.approx(100 * edits / characters)
    assert score.details == {"edits": edits, "reference_characters": characters}


@given(st.lists(st.tuples(SPOKEN, SPOKEN.filter(str.strip)), min_size=1, max_size=5))
def test_character_error_rate_of_one_reference_is_jiwers(rows: list[tuple[str, str]]) -> None:
    told, right = ([" ".join(each.split()) for each in column] for column in zip(*rows, strict=True))
    score = character_error_rate(told, [[each] for each in right])
    assert score.value == pytest.approx(100 * jiwer.cer(right, told))
    assert (score.name, score.better, score.signature) == ("cer", "lower", "nrefs:1|unit:character")


def test_a_blank_is_a_character_and_the_sign_for_it_another() -> None:
    assert character_error_rate(["ab"], [["a b"]]).details == {"edits": 1, "reference_characters": 3}
    assert character_error_rate(["a\u2423b"], [["a b"]]).details == {"edits": 1, "reference_characters": 3}


def test_no_character_in_any_reference_is_an_error() -> None:
    for metric in (spoken_word_error_rate, character_error_rate):
        with pytest.raises(DataError) as error:
            metric(["a"], [[" "]])
        assert str(error.value) == "`references` must hold at least one token, but the nearest ones are all empty"
