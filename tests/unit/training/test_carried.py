"""Truncated back-propagation with a carried state, and a budget of memory: runs that go on bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from unit.training.toy import differing, everything
from unit.training.toy import trainer as toy

from unspool import Dropout, Ragged, Stack, cells, engine, parallel, randomness, unroll
from unspool.data import Batch, Streams
from unspool.errors import StateError
from unspool.parallel import Group
from unspool.training import Carried, Limits, Schedule, Trainer, adamw


class Speaker(nn.Module):
    """Tells the next of seven symbols."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols = nn.Embedding(7, 4)
        self.cell = Stack(Dropout(0.3), cells.LSTM(4, 6), Dropout(0.3, elementwise=True))
        self.head = nn.Linear(6, 7)


class Surprise:
    """Cross-entropy of the next symbol, the state carried from piece to piece."""

    scales = {"surprise": 1.0}

    def __init__(self, model: Speaker) -> None:
        self.model, self.carried = model, Carried()
        self.state_dict, self.load_state_dict = self.carried.state_dict, self.carried.load_state_dict

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"surprise": float(len(batch["targets"].values))}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        inputs = batch["inputs"].map(self.model.symbols)
        state = self.carried.start(self.model.cell, inputs, batch["begins"])
        outputs, final = unroll(self.model.cell, inputs, state)
        self.carried.keep(inputs, final)
        logits = self.model.head(outputs.values)
        return {"surprise": nn.functional.cross_entropy(logits, batch["targets"].values, reduction="sum")}


TEXT = torch.arange(100) ** 2 % 7
STREAMS = Streams(TEXT, streams=4, steps=6)


def trainer(folder: Path | None, steps: int, **settings: Any) -> Trainer:
    torch.manual_seed(0)
    model = Speaker().double()
    parts = (
        model,
        Surprise(model),
        STREAMS.from_cursor,
        adamw(model),
        Schedule(0.01, decay="constant"),
        Limits(steps=steps),
    )
    return Trainer(*parts, folder=folder, **settings)


def test_a_run_that_stops_between_two_pieces_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, first = trainer(None, 13), trainer(tmp_path, 8)
    whole.run()
    first.run()
    again = trainer(tmp_path, 13)
    again.run(resume=True)
    assert differing(everything(again), everything(whole)) == []


def test_it_matters_that_the_state_is_carried(tmp_path: Path) -> None:
    whole, forgetful = trainer(None, 3), trainer(None, 3)
    forgetful.objective.carried.start = lambda cell, inputs, begins: cell.initial_state_for(inputs)
    whole.run()
    forgetful.run()
    assert differing(everything(whole), everything(forgetful))


def test_micro_batches_carry_the_same_states() -> None:
    whole, cut = trainer(None, 9), trainer(None, 9, accumulate=3)
    whole.run()
    cut.run()
    for name, one in everything(whole).items():
        torch.testing.assert_close(everything(cut)[name], one, rtol=0, atol=1e-10, msg=name)


def test_a_state_goes_on_where_it_was_and_masks_are_drawn_anew() -> None:
    stack, carried = Stack(cells.LSTM(3, 4), Dropout(0.5)), Carried()
    inputs = Ragged(torch.randn(9, 3), [4, 5], torch.tensor([8, 3]))
    with randomness.using(seed=0, step=0):
        start = carried.start(stack, inputs, torch.tensor([True, True]))
        final = unroll(stack, inputs, start).final
        carried.keep(inputs, final)
    with randomness.using(seed=0, step=1):
        on = carried.start(stack, inputs.select([1, 0]), torch.tensor([False, True]))
        fresh = stack.initial_state_for(inputs.select([1, 0]))
    assert torch.equal(on[0].memory[0], final[0].memory[1])
    assert not on[0].memory[0].requires_grad
    assert not on[0].memory[1].any()
    assert torch.equal(on[1].key, fresh[1].key)
    assert not torch.equal(on[1].key, final[1].key)
    assert not on[1].position.any()


def test_a_stream_that_was_not_kept_can_not_go_on() -> None:
    inputs = Ragged(torch.randn(2, 3), [1, 1], torch.tensor([5, 6]))
    with pytest.raises(StateError) as error:
        Carried().start(cells.GRU(3, 4), inputs, torch.tensor([False, True]))
    assert str(error.value) == (
        "`inputs` must be streams whose states were kept, but [5] go on and were not; resume with the state of the "
        "objective, or let them begin"
    )


def test_a_budget_of_memory_trains_to_the_same_weights() -> None:
    plain, small = toy(), toy(memory="sqrt")
    plain.run()
    with engine.recording() as ran:
        small.run()
    for name, one in everything(plain).items():
        torch.testing.assert_close(everything(small)[name], one, rtol=0, atol=1e-9, msg=name)
    with engine.recording() as once:
        toy().run()
    assert len(ran) > 2 * len(once)


class Two(Group):
    """The first of two ranks, beside what the other one keeps."""

    def __init__(self, theirs: Any) -> None:
        super().__init__(0, 2)
        self.theirs = theirs

    def gathered(self, value: Any) -> Any:
        return [value, self.theirs]


def test_what_is_saved_is_what_all_ranks_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, ours, theirs, anyone = cells.GRU(3, 4), Carried(), Carried(), Carried()
    inputs = {row: Ragged(torch.randn(2, 3), torch.tensor([2]), torch.tensor([row])) for row in (0, 1)}
    finals = {row: unroll(cell, each).final for row, each in inputs.items()}
    ours.keep(inputs[0], finals[0])
    theirs.keep(inputs[1], finals[1])
    monkeypatch.setattr(parallel, "current", lambda: Two(theirs._leaves))
    anyone.load_state_dict(ours.state_dict())
    later = unroll(cell, inputs[0], finals[0]).final
    for one in (ours, theirs):
        one.load_state_dict(ours.state_dict())
    ours.keep(inputs[0], later)  # and of what they both loaded, each goes on with its own
    theirs.keep(inputs[1], finals[1])
    monkeypatch.setattr(parallel, "current", lambda: Two(theirs._leaves))
    anyone.load_state_dict(ours.state_dict())
    for row, final in {0: later, 1: finals[1]}.items():
        state = anyone.start(cell, inputs[row], torch.tensor([False]))
        assert torch.equal(state.hidden, final.hidden)  # type: ignore[attr-defined]
