"""Weights of one run as the start of another, or as what a model predicts with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from unspool.errors import RunError
from unspool.training import checkpoint


@dataclass(frozen=True)
class Initialised:
    """What was taken from another run's weights; `str` says it to a person.

    Fields:
        path: the file.
        loaded: names of what was taken.
        elsewhere: of these, those which the file has in another place: name in the model -> in the file.
        reshaped: what was not since it has another shape: name -> (in the file, in the model).
        missing: names of the model that the file does not have.
        unused: names of the file that the model does not have.
    """

    path: Path
    loaded: list[str]
    elsewhere: dict[str, str]
    reshaped: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    missing: list[str]
    unused: list[str]

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.reshaped) + len(self.missing)
        lines = [f"loaded {len(self.loaded)} of {total} tensors from `{self.path}`"]
        lines += [f"  taken:     `{name}`, `{theirs}` in the file" for name, theirs in self.elsewhere.items()]
        lines += [f"  as before: `{name}`, {old} in the file, {new} here" for name, (old, new) in self.reshaped.items()]
        lines += [f"  as before: `{name}`, not in the file" for name in self.missing]
        lines += [f"  not used:  `{name}`, not in the model" for name in self.unused]
        return "\n".join(lines)


def initialise(model: nn.Module, path: str | PathLike[str]) -> Initialised:
    """Give a model the weights of a file wherever name and shape agree; the rest stays as it was.

    A tensor that the file does not have by its name is taken from where it lies as part of something else, as an
    encoder's in a network that has it inside of its reader: from the one name that ends with all of the other.

    Args:
        path: a safetensors file of weights by name, or a folder that holds it as `model.safetensors`.

    Raises:
        RunError: there is none, it is no safetensors file, or nothing in it agrees.
    """
    path = Path(path)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise RunError(f"`{path}` must be a file of weights to start from, but there is none")
    try:
        theirs = load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"`{path}` must be a whole file of weights, but can't be read ({error})") from error
    ours = model.state_dict()
    elsewhere = _elsewhere(ours, theirs)
    shared = {name: name for name in ours if name in theirs} | elsewhere
    loaded = [name for name in ours if name in shared and ours[name].shape == theirs[shared[name]].shape]
    if not loaded:
        raise RunError(
            f"`{path}` must share at least one tensor with the model, but has {_some(theirs)} where the model has "
            f"{_some(ours)}; is it a run of another kind of model?"
        )
    with torch.no_grad():
        for name in loaded:
            ours[name].copy_(theirs[shared[name]])
    reshaped = {
        name: (tuple(theirs[shared[name]].shape), tuple(ours[name].shape))
        for name in shared
        if ours[name].shape != theirs[shared[name]].shape
    }
    given = {ours[name].data_ptr() for name in loaded if ours[name].numel()}  # tied weights have a second name
    missing = [name for name in ours if name not in shared and ours[name].data_ptr() not in given]
    return Initialised(path, loaded, elsewhere, reshaped, missing, sorted(theirs.keys() - {*shared.values()}))


_PARTS = 3  # of a name that tells where a tensor belongs: `weight` alone is of anything


def _elsewhere(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str]:
    """What the file has under a longer or a shorter name, where that is the only one and it is the only tensor's."""
    asked, offered = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
    pairs = [
        (name, other)
        for name in asked
        for other in offered
        if (name.endswith(f".{other}") or other.endswith(f".{name}"))
        and min(name.count("."), other.count(".")) >= _PARTS - 1
    ]
    names = Counter(name for name, _ in pairs)
    others = Counter(other for _, other in {(ours[name].data_ptr(), other) for name, other in pairs})  # tied ones once
    return {name: other for name, other in sorted(pairs) if names[name] == others[other] == 1}


def _some(names: dict[str, torch.Tensor]) -> str:
    return ", ".join(f"`{name}`" for name in list(names)[:3]) + (", …" if len(names) > 3 else "") or "nothing"


@torch.no_grad()
def load_weights(path: str | PathLike[str], model: nn.Module) -> int:
    """Give a model the weights of a checkpoint as they were validated: averaged, if averages were kept.

    Returns:
        The step of the checkpoint.

    Raises:
        RunError: it can't be read, or is of another model.
    """
    saved = checkpoint.load(path)
    try:
        model.load_state_dict(saved["weights"])
        own = dict(model.named_parameters())
        for name, average in saved["averaged"].items():
            own[name].copy_(average)
    except (RuntimeError, KeyError) as error:
        raise RunError(f"`{path}` must be a checkpoint of this model, but is of another ({error})") from error
    return int(saved["step"])
