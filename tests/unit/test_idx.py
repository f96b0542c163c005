"""Arrays in idx files: every type and shape comes back, a broken file is named."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from unspool.errors import DataError
from unspool.idx import idx_array

MNIST = Path(__file__).parents[3] / "shared" / "data" / "draw" / "mnist"
TYPES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, TYPES[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 4), (5,), (0, 28, 28), ()])
@pytest.mark.parametrize("dtype", TYPES)
def test_an_array_comes_back(tmp_path: Path, dtype: str, shape: tuple[int, ...], compressed: bool) -> None:
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx(array), mtime=0) if compressed else idx(array))
    found = idx_array(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


WHOLE = idx(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"",
            "must be an idx file, which begins with 0, 0, a type (8, 9, 11, 12, 13, 14) and a number of dimensions",
        ),
        (b"\0\0\x07\1" + bytes(9), "of dimensions, but begins with [0, 0, 7, 1]"),
        (b"text, not an array", "of dimensions, but begins with [116, 101, 120, 116]"),
        (WHOLE[:-1], "must have 18 bytes as its header says, (2, 3) of uint8, but has 17; copy it again"),
        (WHOLE + b"\0", "must have 18 bytes as its header says, (2, 3) of uint8, but has 19; copy it again"),
        (WHOLE[:9], "but has 9; copy it again"),
        (WHOLE[:4] + b"\xff" * 8, "must have 18,446,744,065,119,617,037 bytes as its header says"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "can't be decompressed: "),
        (gzip.compress(WHOLE, mtime=0)[:12] + b"\xff" * 9, "can't be decompressed: "),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        idx_array(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"`{path}` ")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"`none\.gz` can't be read: No such file or directory"):
        idx_array("none.gz")


@pytest.mark.skipif(not MNIST.is_dir(), reason=f"MNIST is not in {MNIST}")
def test_mnist_is_read() -> None:
    images, labels = (idx_array(MNIST / f"t10k-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    assert (images.shape, labels.shape) == ((10_000, 28, 28), (10_000,))
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]  # as the test set is known to begin
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
