"""Weights of another run as a start."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from unspool.errors import RunError
from unspool.training import initialise


def test_what_agrees_is_loaded_and_the_rest_is_named(tmp_path: Path) -> None:
    model = nn.ModuleDict({"body": nn.Linear(3, 4), "head": nn.Linear(4, 2), "new": nn.Linear(1, 1, bias=False)})
    theirs = {
        "body.weight": torch.randn(4, 3, dtype=torch.float64),
        "body.bias": torch.randn(4),
        "head.weight": torch.randn(5, 4),
        "head.bias": torch.randn(5),
        "gone": torch.randn(1),
    }
    save_file(theirs, tmp_path / "model.safetensors")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = initialise(model, tmp_path)
    after = model.state_dict()
    assert torch.equal(after["body.weight"], theirs["body.weight"].float())
    assert torch.equal(after["body.bias"], theirs["body.bias"])
    assert all(torch.equal(after[name], before[name]) for name in ("head.weight", "head.bias", "new.weight"))
    assert str(report) == (
        f"loaded 2 of 5 tensors from `{tmp_path / 'model.safetensors'}`\n"
        "  as before: `head.weight`, (5, 4) in the file, (2, 4) here\n"
        "  as before: `head.bias`, (5,) in the file, (2,) here\n"
        "  as before: `new.weight`, not in the file\n"
        "  not used:  `gone`, not in the model"
    )


def encoder() -> nn.Module:
    return nn.ModuleDict({"encoder": nn.ModuleDict({"cell": nn.Linear(2, 3)}), "head": nn.Linear(3, 1)})


@pytest.mark.parametrize("into", ["more", "less"])
def test_a_part_is_taken_from_where_it_lies_in_another_network(into: str, tmp_path: Path) -> None:
    bare, inside = encoder(), nn.ModuleDict({"reader": encoder()})
    source, model = (bare, inside) if into == "more" else (inside, bare)
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    report = initialise(model, tmp_path)
    long, short = "reader.encoder.cell", "encoder.cell"
    here, there = (long, short) if into == "more" else (short, long)
    assert report.elsewhere == {f"{here}.{kind}": f"{there}.{kind}" for kind in ("bias", "weight")}
    for kind in ("bias", "weight"):
        assert torch.equal(model.state_dict()[f"{here}.{kind}"], source.state_dict()[f"{there}.{kind}"])
    assert len(report.missing) == len(report.unused) == 2  # heads, whose names say too little
    assert f"  taken:     `{here}.bias`, `{there}.bias` in the file" in str(report)


def test_a_part_of_another_shape_is_named_and_a_tied_one_is_one(tmp_path: Path) -> None:
    save_file(encoder().state_dict(), tmp_path / "model.safetensors")
    other = nn.ModuleDict({"encoder": nn.ModuleDict({"cell": nn.Linear(2, 4)})})
    tied = nn.Linear(2, 3)
    one, same = (nn.ModuleDict({"encoder": nn.ModuleDict({"cell": tied})}) for _ in range(2))
    with pytest.raises(RunError, match="must share at least one tensor with the model"):
        initialise(nn.ModuleDict({"reader": other}), tmp_path)
    report = initialise(nn.ModuleDict({"reader": other, "head": nn.Linear(3, 1)}), tmp_path)
    assert report.reshaped["reader.encoder.cell.weight"] == ((3, 2), (4, 2))
    assert len(initialise(nn.ModuleDict({"one": one, "same": same}), tmp_path).loaded) == 4


def test_a_part_that_is_there_twice_is_not_taken(tmp_path: Path) -> None:
    save_file(encoder().state_dict(), tmp_path / "model.safetensors")
    twice = nn.ModuleDict({"one": encoder(), "other": encoder()})
    with pytest.raises(RunError, match="must share at least one tensor with the model"):
        initialise(twice, tmp_path)


def test_a_file_that_gives_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(RunError) as error:
        initialise(nn.Linear(1, 1), tmp_path)
    assert str(error.value) == f"`{path}` must be a file of weights to start from, but there is none"
    path.write_bytes(b"not one")
    with pytest.raises(RunError, match="must be a whole file of weights, but can't be read"):
        initialise(nn.Linear(1, 1), path)
    save_file({name: torch.zeros(3) for name in "abcd"}, path)
    with pytest.raises(RunError) as error:
        initialise(nn.Linear(1, 1), path)
    assert str(error.value) == (
        f"`{path}` must share at least one tensor with the model, but has `a`, `b`, `c`, … where the model has "
        "`weight`, `bias`; is it a run of another kind of model?"
    )
