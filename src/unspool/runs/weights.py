"""The weights of a run as one file that anyone can read: safetensors, with a checksum."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from unspool.errors import RunError
from unspool.training.checkpoint import checksum, write_atomically


def save_weights(model: nn.Module, path: Path) -> None:
    """Weights as they are used, tied ones once."""
    weights: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict().items():
        if tensor.numel() and tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        weights[name] = tensor.detach().cpu().contiguous()
    write_atomically(path, to_bytes(weights, metadata={"sha256": checksum("", weights)}))


def load_weights(model: nn.Module, path: Path) -> None:
    """Give a model the weights of a run.

    Raises:
        RunError: there are none, they are not as they were written, or they are of another model.
    """
    again = f"`unspool train {path.parent} --resume` writes it again"
    if not path.is_file():
        raise RunError(f"`{path}` must hold the weights, but there is none; {again}")
    try:
        with safe_open(path, "pt") as file:
            written = (file.metadata() or {}).get("sha256")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dict
    except (SafetensorError, OSError) as error:
        raise RunError(f"`{path}` must be a whole file of weights, but can't be read ({error}); {again}") from error
    if written not in (None, checksum("", weights)):
        raise RunError(f"`{path}` must be as it was written, but its checksum differs; {again}")
    own = model.state_dict()
    memory = {tensor.data_ptr() for name, tensor in own.items() if name in weights}
    absent = [name for name, tensor in own.items() if name not in weights and tensor.data_ptr() not in memory]
    strange = sorted(weights.keys() - own.keys())
    if absent or strange:
        raise RunError(f"`{path}` must fit the recipe beside it, but lacks {absent} and has {strange}")
    try:
        model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise RunError(f"`{path}` must fit the recipe beside it, but does not ({error})") from error
