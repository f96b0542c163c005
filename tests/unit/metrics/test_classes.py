"""Scores of classes and labels, against counts written out, figures worked by hand and scikit-learn called directly."""

import random
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from unspool.errors import DataError
from unspool.metrics import METRICS, exact_match, macro_f1, macro_f1_labels, micro_f1_labels, subset_accuracy

BY_LABELS = ["macro_f1_labels", "micro_f1_labels", "subset_accuracy"]
BY_CLASS = ["macro_f1", *BY_LABELS]
PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abc")), min_size=1, max_size=12)
SETS = st.frozensets(st.sampled_from("abcd"))
MANY = st.lists(st.tuples(SETS, st.frozensets(st.sampled_from("abc"))), min_size=1, max_size=12).filter(
    lambda rows: any(meant for _, meant in rows)
)


def single(texts: list[str]) -> list[list[str]]:
    return [[text] for text in texts]


def joined(rows: list[tuple[frozenset[str], frozenset[str]]]) -> tuple[list[str], list[list[str]]]:
    return [",".join(sorted(said)) for said, _ in rows], [[",".join(sorted(meant))] for _, meant in rows]


def f1(right: int, named: int, there: int) -> float:
    return 200 * right / (named + there)


@given(PAIRS)
def test_macro_f1_is_the_mean_of_f1_over_the_classes_of_the_references(rows: list[tuple[str, str]]) -> None:
    said, meant = map(list, zip(*rows, strict=True))
    each = [f1(rows.count((name, name)), said.count(name), meant.count(name)) for name in sorted(set(meant))]
    score = macro_f1(said, single(meant))
    assert score.value == pytest.approx(sum(each) / len(each))
    assert [entry["f1"] for entry in score.details["classes"].values()] == pytest.approx(each)
    assert {name: entry["support"] for name, entry in score.details["classes"].items()} == {
        name: meant.count(name) for name in sorted(set(meant))
    }
    assert score.details["confusion"] == {
        name: {other: rows.count((other, name)) for other in "abcd" if (other, name) in rows}
        for name in sorted(set(meant))
    }


def test_macro_f1_is_scikit_learns() -> None:
    draw = random.Random(0)
    meant = draw.choices(["joy", "anger", "fear", "no answer"], [8, 4, 2, 1], k=200)
    said = [text if draw.random() < 0.7 else draw.choice(["joy", "anger", "fear"]) for text in meant]
    assert macro_f1(said, single(meant)).value == pytest.approx(100 * f1_score(meant, said, average="macro"))


def test_macro_f1_by_hand() -> None:
    score = macro_f1(["cat", "cat", "dog", "cat"], single(["cat", "cat", "dog", "dog"]))
    assert score.value == pytest.approx(100 * (4 / 5 + 2 / 3) / 2)
    assert score.details["classes"] == {
        "cat": {"precision": pytest.approx(200 / 3), "recall": 100, "f1": pytest.approx(80), "support": 2},
        "dog": {"precision": 100, "recall": 50, "f1": pytest.approx(200 / 3), "support": 2},
    }
    assert score.details["confusion"] == {"cat": {"cat": 2}, "dog": {"cat": 1, "dog": 1}}
    assert score.signature == "nrefs:1|average:macro|classes:references|undefined:0"


def test_a_class_that_no_reference_has_is_a_miss_and_no_class() -> None:
    score = macro_f1(["a", "z", ""], single(["a", "a", "a"]))
    assert score.value == pytest.approx(50)
    assert list(score.details["classes"]) == ["a"]
    assert score.details["confusion"] == {"a": {"": 1, "a": 1, "z": 1}}


def test_a_class_that_is_never_named_scores_nothing() -> None:
    assert macro_f1(["a", "a"], single(["a", "b"])).details["classes"]["b"] == {
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "support": 1,
    }


@given(MANY)
def test_f1_of_labels_is_that_of_their_counts(rows: list[tuple[frozenset[str], frozenset[str]]]) -> None:
    each = [
        f1(
            sum(name in said & meant for said, meant in rows),
            sum(name in said for said, _ in rows),
            sum(name in meant for _, meant in rows),
        )
        for name in sorted(frozenset().union(*(meant for _, meant in rows)))
    ]
    macro, micro = macro_f1_labels(*joined(rows)), micro_f1_labels(*joined(rows))
    assert macro.value == pytest.approx(sum(each) / len(each))
    assert [entry["f1"] for entry in macro.details["classes"].values()] == pytest.approx(each)
    counts = [sum(map(len, sets)) for sets in zip(*((said & meant, said, meant) for said, meant in rows), strict=True)]
    assert micro.value == pytest.approx(f1(*counts))
    assert micro.details["recall"] == pytest.approx(100 * counts[0] / counts[2])
    assert micro.details["classes"] == macro.details["classes"]
    for name, ((_, wrong), (missed, right)) in macro.details["confusion"].items():
        assert wrong == sum(name in said - meant for said, meant in rows)
        assert missed == sum(name in meant - said for said, meant in rows)
        assert right == sum(name in said & meant for said, meant in rows)
    assert all(sum(map(sum, matrix)) == len(rows) for matrix in macro.details["confusion"].values())
    same = sum(said == meant for said, meant in rows)
    score = subset_accuracy(*joined(rows))
    assert score.value == pytest.approx(100 * same / len(rows))
    assert score.details == {"right": same, "rows": len(rows)}


def test_scores_of_labels_are_scikit_learns() -> None:
    draw = random.Random(0)
    meant = [frozenset(draw.sample("abcdef", draw.randrange(4))) for _ in range(200)]
    said = [each if draw.random() < 0.5 else frozenset(draw.sample("abcdef", draw.randrange(4))) for each in meant]
    binarizer = MultiLabelBinarizer().fit(meant)
    true, named = binarizer.transform(meant), binarizer.transform(said)
    texts = joined(list(zip(said, meant, strict=True)))
    assert macro_f1_labels(*texts).value == pytest.approx(100 * f1_score(true, named, average="macro"))
    assert micro_f1_labels(*texts).value == pytest.approx(100 * f1_score(true, named, average="micro"))
    assert subset_accuracy(*texts).value == pytest.approx(100 * accuracy_score(true, named))


def test_a_label_that_no_reference_has_is_wrong_in_micro_f1() -> None:
    assert micro_f1_labels(["a,z"], [["a"]]).value == pytest.approx(100 * 2 / 3)
    assert macro_f1_labels(["a,z"], [["a"]]).value == 100


@pytest.mark.parametrize("name", BY_LABELS)
def test_order_repeats_and_blanks_of_labels_do_not_matter(name: str) -> None:
    plain, messy = METRICS[name](["a b,c", "", "c"], [["c,a b"], [""], ["a b"]]), [" c ,a  b,,c", " ,", "c,c"]
    assert METRICS[name](messy, [[" a b, c"], [""], ["a b "]]) == plain
    assert plain.value > 0


def test_an_empty_text_is_no_label() -> None:
    assert subset_accuracy(["", "a", ""], single(["", "", "a"])).details == {"right": 1, "rows": 3}
    assert list(macro_f1_labels(["", "a"], single(["", "a"])).details["classes"]) == ["a"]
    assert subset_accuracy([""], [[""]]).value == 100


@pytest.mark.parametrize("metric", [macro_f1_labels, micro_f1_labels, subset_accuracy])
def test_another_separator_is_told(metric: Any) -> None:
    score = metric(["a, b;c", "a"], [["c; a, b"], ["b"]], separator=";")
    assert score.value == metric(["x,c", "a"], [["c,x"], ["b"]]).value
    assert "|sep:;|" in score.signature
    with pytest.raises(DataError) as error:
        metric(["a"], [["a"]], separator="")
    assert str(error.value) == "`separator` must be at least one character, but is empty"


@given(PAIRS)
def test_of_one_label_each_subset_accuracy_is_accuracy_and_macro_f1_is_the_same(rows: list[tuple[str, str]]) -> None:
    said, meant = map(list, zip(*rows, strict=True))
    assert subset_accuracy(said, single(meant)).value == exact_match(said, single(meant)).value
    assert macro_f1_labels(said, single(meant)).value == macro_f1(said, single(meant)).value


@pytest.mark.parametrize("name", BY_CLASS)
def test_one_row_of_one_class_needs_no_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert METRICS[name](["a"], [["a"]]).value == 100
        assert METRICS[name]([""], [["a"]]).value == 0


@pytest.mark.parametrize("name", BY_CLASS)
def test_there_must_be_one_reference_a_row(name: str) -> None:
    with pytest.raises(DataError) as error:
        METRICS[name](["a", "b"], [["a"], ["a", "b"]])
    assert str(error.value) == (
        "`references` must hold exactly one for each hypothesis, but row 1 has 2; keep the one that was meant"
    )


def test_a_class_must_have_a_name() -> None:
    with pytest.raises(DataError) as error:
        macro_f1(["a", "b"], [["a"], [" "]])
    assert str(error.value) == "`references` must name a class in each row, but row 1 is empty"


@pytest.mark.parametrize("name", ["macro_f1_labels", "micro_f1_labels"])
def test_no_label_in_any_reference_is_an_error(name: str) -> None:
    with pytest.raises(DataError) as error:
        METRICS[name](["a", "b"], [[""], [","]])
    assert str(error.value) == "`references` must hold at least one label, but all rows are empty"


@pytest.mark.parametrize("name", BY_CLASS)
def test_the_better_direction_and_the_name_are_told(name: str) -> None:
    score = METRICS[name](["a"], [["a"]])
    assert (score.name, score.better) == (name, "higher")
    assert score.signature.startswith("nrefs:1|")
