"""Names that the examples in docstrings may use without importing them."""

from typing import Any

import pytest
import torch

import unspool
import unspool.cells


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, Any]) -> None:
    torch.manual_seed(0)
    doctest_namespace.update({name: getattr(unspool.cells, name) for name in dir(unspool.cells) if name[0].isupper()})
    doctest_namespace.update({name: getattr(unspool, name) for name in dir(unspool) if name[0].isupper()})
    doctest_namespace.update(torch=torch, unspool=unspool)
