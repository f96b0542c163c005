"""From C++ to functions: compiled once for a machine, kept in the cache, loaded without PyTorch."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import torch

from unspool import cache
from unspool.errors import DataError, EngineError, EngineWarning

HEADERS = ("vectors.hpp", "products.hpp", "teams.hpp", "recurrence.hpp")

# Symbols stay inside a library: what is inline in one would else stand for its namesake in the next.
_FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
    "-fopenmp",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
)
LEVELS = {
    "avx512": (64, ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma", "-mprefer-vector-width=512")),
    "avx2": (32, ("-mavx2", "-mfma")),
    "portable": (16, ()),
}
"""By the name of a kind of vectors: bytes in one, and the compiler's flags."""


class NoCompiler(EngineError):  # noqa: N818 said as it is
    """There is nothing to compile with, or it failed."""


def level() -> str:
    """The widest vectors this processor has, of `LEVELS`; `$UNSPOOL_VECTORS` names others."""
    named = os.environ.get("UNSPOOL_VECTORS")
    if named:
        if named not in LEVELS:
            raise EngineError(f"`UNSPOOL_VECTORS` must be one of {', '.join(LEVELS)}, but is `{named}`")
        return named
    capability = torch.backends.cpu.get_cpu_capability()
    return "avx512" if capability.startswith("AVX512") else "avx2" if capability.startswith("AVX2") else "portable"


def compiler() -> str | None:
    """The path of the C++ compiler: `$CXX`, or the first of c++, g++, clang++ there is."""
    named = os.environ.get("CXX")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)


def find_compiler() -> str:
    """The path of the C++ compiler.

    Raises:
        NoCompiler: there is none; the message says how to get one.
    """
    path = compiler()
    if path is not None:
        return path
    named = os.environ.get("CXX")
    missing = f"`CXX` names `{named}`, which is no program" if named else "there is no C++ compiler"
    raise NoCompiler(f"{missing}: install g++ or clang++, or name one in the environment variable CXX")


def load(source: str, number: str, halves: bool = False) -> ctypes.CDLL:
    """The functions of a source, from the cache where it was compiled before.

    Args:
        source: C++ that may include `HEADERS`.
        number: "float" or "double".
        halves: whether products are of bfloat16 numbers, summed in float.

    `$UNSPOOL_CXXFLAGS` holds further flags for the compiler, as those of a sanitiser.

    Raises:
        NoCompiler: there is none, or it failed.
    """
    more = (*(("-DHALVES", "-mavx512bf16") if halves else ()), *shlex.split(os.environ.get("UNSPOOL_CXXFLAGS", "")))
    loaded = _loaded(source, number, level(), find_compiler(), more)
    if isinstance(loaded, NoCompiler):
        raise loaded
    return loaded


@functools.cache
def _loaded(source: str, number: str, vectors: str, path: str, more: tuple[str, ...]) -> ctypes.CDLL | NoCompiler:
    """What `_load` gives or raises, so that what failed is not tried again."""
    try:
        return _load(source, number, vectors, path, more)
    except NoCompiler as error:
        return error


def _load(source: str, number: str, vectors: str, path: str, more: tuple[str, ...]) -> ctypes.CDLL:
    width, flags = LEVELS[vectors]
    flags = (*_FLAGS, *flags, f"-DNUMBER={number}", f"-DBYTES={width}", *more)
    real = Path(path).resolve()
    headers = [_header(name) for name in HEADERS]
    name = cache.key("native", source, headers, flags, str(real), real.stat().st_mtime, real.stat().st_size)

    def write(folder: Path) -> None:
        _compile(source, path, flags, folder)

    try:
        folder = cache.entry("native", name, write)
        if not _whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder = cache.entry("native", name, write)
        if _whole(folder):
            return _open(folder)
        reason = f"`{folder}` is damaged and can't be replaced"
    except DataError as error:
        reason = str(error)
    _say_once(f"compiled cells are not kept for other processes: {reason}")
    with tempfile.TemporaryDirectory(prefix="unspool-native-") as own:
        write(Path(own))
        return _open(Path(own))


def _open(folder: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(folder / "cell.so"))
    except OSError as error:
        raise NoCompiler(f"`{folder / 'cell.so'}` can't be loaded ({error}); delete it") from error


@functools.cache
def _say_once(text: str) -> None:
    warnings.warn(text, EngineWarning, stacklevel=2)


@functools.cache
def _header(name: str) -> str:
    return (Path(__file__).parent / name).read_text()


def _whole(folder: Path) -> bool:
    """Whether the library is the one that was written: loading a part of one would end the process."""
    try:
        return (folder / "cell.sha256").read_text() == hashlib.sha256((folder / "cell.so").read_bytes()).hexdigest()
    except OSError:
        return False


def _compile(source: str, path: str, flags: tuple[str, ...], folder: Path) -> None:
    (folder / "cell.cpp").write_text(source)
    command = [path, *flags, f"-I{Path(__file__).parent}", str(folder / "cell.cpp"), "-o", str(folder / "cell.so")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoCompiler(f"the C++ compiler `{path}` can't be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        first = next((line for line in said if "error" in line), said[0])
        raise NoCompiler(f"the C++ compiler `{path}` failed: {first}")
    (folder / "cell.sha256").write_text(hashlib.sha256((folder / "cell.so").read_bytes()).hexdigest())
