"""From C++ to functions: compiled once for a machine, kept in the cache, loaded without PyTorch.

What is the same for all cells, the loop over time and its products, is compiled by itself and linked to each.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from unspool import cache
from unspool.errors import DataError, EngineError, EngineWarning

LOOP = "recurrence.cpp"
HEADERS = ("vectors.hpp", "operands.hpp", "products.hpp", "ahead.hpp", "teams.hpp", "cell.hpp", "phases.hpp")

# Symbols stay inside a library: what is inline in one would else stand for its namesake in the next.
_FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
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


def load(source: str, number: str, halves: bool = False, beside: str | None = None) -> ctypes.CDLL:
    """The functions of a source, from the cache where it was compiled before.

    Args:
        source: C++ that may include `HEADERS`.
        number: "float" or "double".
        halves: whether products are of bfloat16 numbers, summed in float.
        beside: a file of this folder to link with it.

    `$UNSPOOL_CXXFLAGS` holds further flags for the compiler, as those of a sanitiser.

    Raises:
        NoCompiler: there is none, or it failed.
    """
    more = (*(("-DHALVES", "-mavx512bf16") if halves else ()), *shlex.split(os.environ.get("UNSPOOL_CXXFLAGS", "")))
    loaded = _loaded(source, number, level(), find_compiler(), more, beside)
    if isinstance(loaded, NoCompiler):
        raise loaded
    return loaded


@functools.cache
def _loaded(
    source: str, number: str, vectors: str, path: str, more: tuple[str, ...], beside: str | None
) -> ctypes.CDLL | NoCompiler:
    """What `load` gives or raises, so that what failed is not tried again."""
    width, flags = LEVELS[vectors]
    flags = (*_FLAGS, *flags, f"-DNUMBER={number}", f"-DBYTES={width}", *more)
    try:
        return _open(_library(source, path, flags, beside))
    except NoCompiler as error:
        return error


def _library(source: str, path: str, flags: tuple[str, ...], beside: str | None) -> Path:
    name = _key(source, path, flags, beside and _text(beside))

    def write(folder: Path) -> None:
        compiled, command = folder / "cell.o", [path, *flags]
        with ThreadPoolExecutor(1) as aside:  # both at once: which takes longer hangs on the cell
            other = aside.submit(_object, beside, path, flags) if beside else None
            _compile(source, command, compiled)
            objects = [compiled, other.result()] if other else [compiled]
        _call([*command, "-shared", *map(str, objects), "-o", str(folder / "cell.so")])
        compiled.unlink()

    return _made(name, write, "cell.so")


def _object(file: str, path: str, flags: tuple[str, ...]) -> Path:
    def write(folder: Path) -> None:
        _compile(_text(file), [path, *flags], folder / "loop.o")

    return _made(_key(_text(file), path, flags), write, "loop.o")


def _key(source: str, path: str, flags: tuple[str, ...], *more: Any) -> str:
    real = Path(path).resolve()
    headers = [_text(name) for name in HEADERS]
    return cache.key("native", source, headers, flags, str(real), real.stat().st_mtime, real.stat().st_size, *more)


def _made(name: str, write: Callable[[Path], None], file: str) -> Path:
    """The file of an entry: in the cache, or where that can't be, in a folder of this process."""
    try:
        return cache.whole("native", name, file, write)
    except DataError as error:
        _say_once(f"compiled cells are not kept for other processes: {error}")
        return cache.whole("native", name, file, write, within=Path(_own().name))


@functools.cache
def _own() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="unspool-native-")


def _open(library: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise NoCompiler(f"`{library}` can't be loaded ({error}); delete it") from error


@functools.cache
def _say_once(text: str) -> None:
    warnings.warn(text, EngineWarning, stacklevel=2)


@functools.cache
def _text(file: str) -> str:
    return (Path(__file__).parent / file).read_text()


def _compile(source: str, command: list[str], to: Path) -> None:
    code = to.with_suffix(".cpp")
    code.write_text(source)
    _call([*command, "-c", f"-I{Path(__file__).parent}", str(code), "-o", str(to)])


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoCompiler(f"the C++ compiler `{command[0]}` can't be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        first = next((line for line in said if "error" in line), said[0])
        raise NoCompiler(f"the C++ compiler `{command[0]}` failed: {first}")
