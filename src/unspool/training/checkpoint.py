"""A file that holds where training stands, whole or not at all.

It is a safetensors file: tensors as they are, everything else as JSON in its header, a checksum of both beside it.
Nothing in it can run code when it is read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from unspool.errors import RunError

FORMAT = 1
LAST, BEST = "last.safetensors", "best.safetensors"
PREVIOUS = "previous.safetensors"

_log = logging.getLogger("unspool.training")


def save(content: dict[str, Any], path: str | PathLike[str]) -> None:
    """Write a checkpoint; until it is complete, the file that was there stays.

    Args:
        content: dicts, lists, tuples, numbers, strings, None and tensors, nested as you like.

    Raises:
        RunError: the disk is full, or the folder can't be written to. Earlier checkpoints are as they were.
    """
    packing = _Packing()
    text = json.dumps(packing.packed(content))
    header = {"format": str(FORMAT), "content": text, "sha256": checksum(text, packing.tensors)}
    write_atomically(Path(path), to_bytes(packing.tensors, metadata=header))


def save_last(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint as `save` does, and keep the one that it replaces as `previous.safetensors` beside it."""
    if path.is_file():
        previous = path.with_name(PREVIOUS)
        with disk_errors(previous):
            previous.unlink(missing_ok=True)
            try:
                os.link(path, previous)
            except OSError:  # a file system without links
                shutil.copyfile(path, previous)
    save(content, path)


def load_last(path: Path) -> dict[str, Any]:
    """Read a checkpoint; where it is broken, the one before it, which takes its place.

    Raises:
        RunError: as `load`, where there is no whole one before it either.
    """
    try:
        return load(path)
    except RunError as error:
        previous = path.with_name(PREVIOUS)
        if not path.is_file() or not previous.is_file():
            raise
        try:
            content = load(previous)
        except RunError:
            raise error from None
        _log.warning("%s; going on from `%s`, step %s", str(error).split(";")[0], previous, content.get("step"))
        os.replace(previous, path)  # else the broken one would be kept as the previous one
        return content


def check_none(folder: Path) -> None:
    """Raise a `RunError` if there is a checkpoint in a folder already."""
    for name in (LAST, BEST):
        if (path := folder / name).exists():
            raise RunError(
                f"`folder` must hold no checkpoint when training starts anew, but holds `{path}`; resume from it, "
                "or give another folder"
            )


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint, its tensors on the CPU.

    Raises:
        RunError: there is none, or it is not as it was written, or it was written by a later version.
    """
    return _load(Path(path), _instead)


def _load(path: Path, instead: Callable[[Path], str]) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(f"`{path}` must be a checkpoint, but there is no such file{instead(path)}")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dict
    except (SafetensorError, OSError) as error:
        raise RunError(f"`{path}` must be a whole checkpoint, but can't be read ({error}){instead(path)}") from error
    if header.get("format") != str(FORMAT):
        raise RunError(
            f"`{path}` must be a checkpoint of format {FORMAT}, but is of {header.get('format', 'none')}; "
            "read it with the version of unspool that wrote it"
        )
    text = header.get("content", "")
    if header.get("sha256") != checksum(text, tensors):
        raise RunError(f"`{path}` must be as it was written, but its checksum differs{instead(path)}")
    content: dict[str, Any] = _unpacked(json.loads(text), tensors)
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that there is the old one or the new one at any moment, even when the machine stops.

    Raises:
        RunError: it can't be written; the old one stays.
    """
    partial = path.with_name(path.name + ".partial")  # one fixed name: what a killed process left is overwritten
    with disk_errors(path, len(content)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
            _sync_folder(path.parent)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def disk_errors(path: Path, size: int | None = None) -> Iterator[None]:
    """Within, an error of the disk says which file, and that the checkpoints of before are whole."""
    try:
        yield
    except OSError as error:
        needed = f" ({size / 1e6:.1f} MB)" if size is not None else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else f"it can't be ({error.strerror or error})"
        action = "free some space" if full else "see to the folder"
        raise RunError(
            f"`{path}` must be written{needed}, but {what}; nothing written earlier is lost: "
            f"{action}, then resume from the last checkpoint"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a renaming last: the name is in the folder, not in the file."""
    if os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _instead(path: Path) -> str:
    """Which whole checkpoint lies beside one that can't be used."""
    for name in (LAST, PREVIOUS, BEST):
        other = path.with_name(name)
        if name == path.name or not other.is_file():
            continue
        try:
            step = _load(other, lambda path: "").get("step")
        except RunError:
            continue
        return f"; `{other}` (step {step}) is whole: resume from it"
    return "; there is no other one beside it: start again, without resuming"


class _Packing:
    """A value on its way to JSON: its tensors go to a list of their own, what JSON does not know becomes {kind: …}.

    Tensors of the same memory, such as tied weights, are written once.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def packed(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return {"tensor": self._name(value)}
        if isinstance(value, dict):
            return {"dict": [[self.packed(key), self.packed(each)] for key, each in value.items()]}
        if isinstance(value, tuple):
            return {"tuple": [self.packed(each) for each in value]}
        if isinstance(value, list):
            return [self.packed(each) for each in value]
        if isinstance(value, np.generic):
            return value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"a checkpoint holds tensors and what JSON knows, but was given a {type(value).__name__}")

    def _name(self, tensor: Tensor) -> str:
        memory = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() and memory in self._names:
            return self._names[memory]
        name = self._names[memory] = str(len(self.tensors))
        self.tensors[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        return name


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "tuple":
        return tuple(_unpacked(each, tensors) for each in inner)
    return {_unpacked(key, tensors): _unpacked(each, tensors) for key, each in inner}


def checksum(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a text and of tensors, their names, dtypes and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
