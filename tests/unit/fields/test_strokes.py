"""Drawings as moves of a pen, and as pictures."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.arrays import reference
from unspool.errors import DataError, FieldError
from unspool.fields.strokes import StrokesField
from unspool.fields.svg import to_svg

SKETCHES = Path(__file__).parents[4] / "shared" / "data" / "draw" / "sketch"
HOUSE = [[5, 5, 0], [0, -4, 0], [4, 0, 0], [0, 4, 1], [-4, -4, 0], [2, -2, 0], [2, 2, 1], [9, 0, 1]]
numbers = st.integers(-500, 500)
drawings = st.lists(st.tuples(numbers, numbers, st.integers(0, 1)).map(list), min_size=1, max_size=9)


def fitted(*drawings: object) -> StrokesField:
    field = StrokesField()
    field.fit(drawings or (HOUSE,))  # type: ignore[arg-type]
    return field


@given(st.lists(drawings, min_size=1, max_size=4))
def test_drawings_come_back_and_offsets_of_training_have_deviation_1(drawn: list[list[list[int]]]) -> None:
    field = fitted(*drawn)
    again = StrokesField.from_json(json.loads(json.dumps(field.to_json())))
    offsets = torch.cat([field.encode(each)[:, :2] for each in drawn])
    if len({number for each in drawn for point in each for number in point[:2]}) > 1:
        assert float(offsets.double().std(correction=0)) == pytest.approx(1, rel=1e-4)
    for each in drawn:
        encoded = field.encode(each)
        assert (encoded.shape, encoded.dtype) == ((len(each), 3), torch.float32)
        assert encoded[:, 2].tolist() == [*(point[2] for point in each[:-1]), 2]
        for same in (json.dumps(each), np.array(each, dtype=np.int16), np.array(each, dtype=np.float64)):
            assert torch.equal(again.encode(same), encoded)
        expected = [[*point[:2], 1 if number == len(each) - 1 else point[2]] for number, point in enumerate(each)]
        np.testing.assert_allclose(again.decode(encoded), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("offset", [0.1, 0.7, 1e6 + 0.1])
def test_the_scale_is_1_where_all_offsets_are_the_same(offset: float) -> None:
    field = StrokesField()
    field.fit([[[offset, offset, 0]] * 3])
    assert field.scale == 1


def test_what_is_given_is_not_changed() -> None:
    given = np.array(HOUSE, dtype=np.float64)
    fitted().encode(given)
    assert given.tolist() == HOUSE


def test_a_drawing_ends_with_the_pen_that_ends_it() -> None:
    field = StrokesField.from_json({"kind": "strokes", "scale": 2})
    encoded = torch.tensor([[1.0, 0.5, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 2.0], [9.0, 9.0, 0.0]])
    assert field.decode(encoded) == [[2.0, 1.0, 0], [2.0, 0.0, 1], [0.0, 2.0, 1]]
    assert field.decode(encoded[:1]) == [[2.0, 1.0, 0]]
    assert (len(field), repr(field)) == (3, "StrokesField()")


def test_a_drawing_may_lie_in_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "drawings.npz", points=np.array([[7, 7, 1], *HOUSE], dtype=np.int16), one=np.array([HOUSE]))
    field = fitted()
    for place in (reference(tmp_path / "drawings.npz", "points", slice(1, 9)), f"{tmp_path}/drawings.npz::one::0"):
        assert torch.equal(field.encode(place), field.encode(HOUSE))
    with pytest.raises(DataError, match="must have row 1, but has 1 rows"):
        field.encode(f"{tmp_path}/drawings.npz::one::1")


def lines_of(path: Path) -> list[list[list[float]]]:
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert all(line.tag == "{http://www.w3.org/2000/svg}polyline" for line in root)
    return [[[float(n) for n in point.split(",")] for point in line.get("points", "").split()] for line in root]


def test_a_picture_has_a_line_for_each_stroke_of_the_pen(tmp_path: Path) -> None:
    to_svg(HOUSE, tmp_path / "new" / "house.svg")
    lines = lines_of(tmp_path / "new" / "house.svg")
    assert [len(line) for line in lines] == [4, 3, 2]  # the last is a dot
    by_hand = [[[0, 6], [0, 2], [4, 2], [4, 6]], [[0, 2], [2, 0], [4, 2]], [[13, 2], [13, 2]]]
    for line, expected in zip(lines, by_hand, strict=True):
        np.testing.assert_allclose(line, np.array(expected) * 240 / 13 + 8, atol=0.006)


@given(drawings)
def test_any_drawing_is_within_its_picture(tmp_path_factory: pytest.TempPathFactory, drawn: list[list[int]]) -> None:
    path = tmp_path_factory.mktemp("svg") / "a.svg"
    field = fitted(drawn)
    to_svg(field.decode(field.encode(drawn)), path)
    lines = lines_of(path)
    assert len(lines) == 1 + sum(point[2] for point in drawn[:-1])
    assert all(8 <= number <= 248 for line in lines for point in line for number in point)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: StrokesField().encode(HOUSE), "`StrokesField()` must be fitted before it can encode; call `field.fit"),
        (lambda: StrokesField().fit([]), "`values` must hold at least one drawing, but are empty"),
        (
            lambda: fitted([[1, 2], [3, 4]]),
            "a drawing must be at least one point of three numbers, dx, dy and lift, but has the shape (2, 2): [[1, 2]",
        ),
        (lambda: fitted([]), "a drawing must be at least one point of three numbers, dx, dy and lift, but has the sh"),
        (lambda: fitted([[1, 2, 0], [3]]), "a drawing must be points of three numbers each, but is [[1, 2, 0], [3]]: "),
        (
            lambda: fitted([[1, 2, 0], [3, 4, 2]]),
            "point 1 of a drawing must be two finite offsets and a lift of 0 or 1, but is [3.0, 4.0, 2.0]",
        ),
        (lambda: fitted([[float("nan"), 2, 0]]), "point 0 of a drawing must be two finite offsets and a lift of 0 or"),
        (
            lambda: fitted("a line"),
            "a drawing must be JSON such as [[3, -1, 0], [0, 4, 1]], or a place in a file such as "
            "`drawings.npz::points::10:52`, but is 'a line': Expecting value",
        ),
        (lambda: fitted().decode(torch.zeros(2, 5)), "`encoded` must be a tensor of shape (points, 3), but is (2, 5)"),
        (lambda: fitted().decode(torch.full((1, 3), 0.5)), "the pen of point 0 must be 0, 1 or 2, but is 0.5"),
        (lambda: StrokesField.from_json({"kind": "strokes"}), "`saved` must have the keys ['kind', 'scale'], but has"),
        (lambda: StrokesField.from_json({"kind": "strokes", "scale": 0}), "`scale` must be a number above 0, but is 0"),
    ],
)
def test_a_mistake_is_named(mistake: object, message: str) -> None:
    with pytest.raises(FieldError) as error:
        mistake()  # type: ignore[operator]
    assert str(error.value).startswith(message)


@pytest.mark.skipif(not SKETCHES.is_dir(), reason=f"the sketches are not in {SKETCHES}")
def test_real_drawings_come_back(tmp_path: Path) -> None:
    with np.load(SKETCHES / "omniglot" / "omniglot.npz", allow_pickle=True, encoding="latin1") as file:
        drawn = list(file["test"])
    field = fitted(*drawn)
    assert field.scale == pytest.approx(np.concatenate([each[:, :2] for each in drawn]).std(dtype=np.float64))
    for each in drawn[:100]:
        np.testing.assert_allclose(field.decode(field.encode(each)), each, rtol=1e-5, atol=1e-3)
    to_svg(drawn[0], tmp_path / "letter.svg")
    assert len(lines_of(tmp_path / "letter.svg")) == drawn[0][:, 2].sum()
