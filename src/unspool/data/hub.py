"""Data sets by their name on the Hugging Face hub, through the package `datasets`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from unspool.data.fetching import UnreachableError
from unspool.data.tables import Stream
from unspool.errors import DataError

PREFIX = "hub:"
_SPLITS = {"train": ("train",), "valid": ("validation", "valid", "val", "dev"), "test": ("test",)}


def hub(name: str) -> dict[str, Stream]:
    """The parts of a data set on the hub, as "hub:owner/name" or "hub:owner/name:configuration".

    Raises:
        DataError: the package `datasets` is not installed; a data set without a training part.
        UnreachableError: it can't be fetched.
    """
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise DataError(f"`{name}` needs the package `datasets`; pip install 'unspool[hub]'") from error
    owner_and_name, _, configuration = name.removeprefix(PREFIX).partition(":")
    try:
        found = datasets.load_dataset(owner_and_name, configuration or None)
    except Exception as error:  # whatever `datasets` raises without a network, or for a name that is none
        raise UnreachableError(f"`{name}` can't be fetched: {type(error).__name__}: {error}") from error
    splits = {part: next((split for split in known if split in found), None) for part, known in _SPLITS.items()}
    if splits["train"] is None:
        raise DataError(f"`{name}` must have a split `train`, but has {', '.join(found)}")
    return {part: _stream(name, found[split], split) for part, split in splits.items() if split is not None}


def _stream(name: str, split: Any, label: str) -> Stream:
    def batches() -> Iterator[Any]:
        for table in split.with_format("arrow").iter(batch_size=1000):
            yield from table.to_batches()

    return Stream(["hub", name, label, split._fingerprint], batches, f"`{name}` ({label})")
