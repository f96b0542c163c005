"""The loop: steps that do not depend on how they are cut, ways to end, and going on as if it had never ended."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from unit.training.toy import BATCHES, Batch, Squares, Toy, batches, data, differing, everything, loss, trainer

from unspool import Ragged, randomness
from unspool.errors import RunError, TrainingError
from unspool.training import LastMean, Limits, MovingAverage, Schedule, Trainer, Validation, adamw, checkpoint
from unspool.training.progress import Record


class Watcher:
    """Keeps what it is told; may do something at a step."""

    def __init__(self, at: int = -1, action: Any = None) -> None:
        self.records: list[Record] = []
        self.at, self.action, self.ended = at, action, False

    def begin(self, step: int) -> None:
        pass

    def step(self, record: Record) -> None:
        self.records.append(record)
        if record["step"] == self.at:
            self.action()

    def end(self) -> None:
        self.ended = True


@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_gradients_and_weights_are_the_same_for_any_number_of_micro_batches(accumulate: int) -> None:
    whole, cut = trainer(), trainer(accumulate=accumulate)
    batch = next(batches((0, 0)))[1]
    for each in (whole, cut):
        each.clip = None
        with randomness.using(seed=3, step=0):
            each.advance(batch)
    for (name, one), other in zip(whole.model.named_parameters(), cut.model.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=0, atol=1e-12), name
    whole, cut = trainer(), trainer(accumulate=accumulate)
    whole.run()
    cut.run()
    for name, one in everything(whole).items():
        assert torch.allclose(one, everything(cut)[name], rtol=0, atol=1e-12), name


def test_a_run_is_the_loop_one_would_write() -> None:
    torch.manual_seed(0)
    model = Toy().double()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0)
    order = batches((0, 0))
    for step in range(7):
        batch = next(order)[1]
        with randomness.using(seed=3, step=step):
            errors = model(batch.inputs).values - batch.targets.values
            steps = len(batch.targets.values)
            value = errors.square().sum() / steps + 0.5 * errors.abs().sum() / batch.batch_size
            optimiser.zero_grad()
            value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimiser.step()

    watcher = Watcher()
    ours = trainer(clip=0.5, schedule=Schedule(0.01, decay="constant"), limits=Limits(steps=7), observers=[watcher])
    ours.optimiser = adamw(ours.model, weight_decay=0)
    ours.run()
    for one, other in zip(model.parameters(), ours.model.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)
    assert watcher.records[-1]["loss"] == pytest.approx(value.item(), abs=1e-12)


@pytest.mark.parametrize("stop", [1, 5, 13])
@pytest.mark.parametrize("decay", ["cosine", "plateau"])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path: Path, stop: int, decay: Any) -> None:
    def settings() -> dict[str, Any]:
        return {
            "schedule": Schedule(0.02, warmup=3, decay=decay, patience=1),
            "averages": LastMean(3) if decay == "plateau" else MovingAverage(0.9),
            "validation": Validation(loss, every=4),
        }

    uninterrupted = trainer(tmp_path / "whole", **settings())
    uninterrupted.run()

    watcher = Watcher(stop, lambda: os.kill(os.getpid(), signal.SIGINT if stop == 5 else signal.SIGTERM))
    first = trainer(tmp_path / "cut", observers=[watcher], **settings())
    outcome = first.run()
    path = tmp_path / "cut" / "last.safetensors"
    assert outcome.reason == "interrupted"
    assert first.step in (stop, stop + 1)  # the wish came in the middle of a step, or at its end
    assert f"everything is in `{path}`: resume to go on" in str(outcome)
    assert watcher.ended

    second = trainer(tmp_path / "cut", **settings())
    torch.manual_seed(99)  # another process's generators
    second.run(resume=True)
    assert differing(everything(uninterrupted), everything(second)) == []
    assert uninterrupted.best == second.best
    assert uninterrupted.schedule == second.schedule
    assert uninterrupted.state_dict()["random"]["numpy"] == second.state_dict()["random"]["numpy"]


def test_global_generators_go_on_too(tmp_path: Path) -> None:
    class Noisy(Squares):
        def totals(self, batch: Batch) -> dict[str, torch.Tensor]:
            return {name: total * (1 + torch.rand(())) for name, total in super().totals(batch).items()}

    def noisy(folder: Path, steps: int) -> Trainer:
        made = trainer(folder, limits=Limits(steps=steps), schedule=Schedule(0.02, decay="constant"), validation=None)
        made.objective = Noisy(made.model)  # type: ignore[arg-type]
        return made

    whole = noisy(tmp_path / "whole", 12)
    whole.run()
    noisy(tmp_path / "cut", 7).run()
    resumed = noisy(tmp_path / "cut", 12)
    torch.manual_seed(99)
    resumed.run(resume=True)
    assert differing(everything(whole), everything(resumed)) == []


def test_a_second_ctrl_c_is_obeyed_at_once() -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trainer(observers=[Watcher(2, twice)]).run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_loss_that_is_no_number_stops_with_step_and_examples(tmp_path: Path, accumulate: int) -> None:
    bad = 17

    def spoiled(cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch]]:
        for after, batch in batches(cursor):
            if after[0] >= 1:
                rows = torch.repeat_interleave(batch.ids, batch.inputs.lengths)
                values = batch.targets.values.masked_fill((rows == bad).unsqueeze(1), float("nan"))
                batch = Batch(batch.inputs, batch.targets.with_values(values))
            yield after, batch

    ours = trainer(tmp_path, accumulate=accumulate, validation=None)
    ours.batches = spoiled
    assert data().inputs.lengths[bad] > 0
    with pytest.raises(TrainingError, match="`loss` must be a finite number, but is nan at step") as error:
        ours.run()
    message = str(error.value)
    step = ours.step + 1
    culprits = next(
        part
        for batch in [next(batches(ours.cursor))[1]]
        for part in (batch.split(accumulate) if accumulate > 1 else [batch])
        if bad in part.ids
    ).ids
    assert (
        f"at step {step}, epoch {ours.cursor[0] + 1}, for the examples {', '.join(map(str, culprits.tolist()))};"
        in message
    )
    assert "try a lower `learning_rate` (now at most 0.02), more `warmup` or a smaller `clip` (now 1)" in message
    assert message.endswith("earlier checkpoints are untouched")
    assert checkpoint.load(tmp_path / "last.safetensors")["step"] == 0


def test_an_infinite_gradient_stops_too() -> None:
    class Steep(Squares):
        def totals(self, batch: Batch) -> dict[str, torch.Tensor]:
            totals = super().totals(batch)
            return {**totals, "squares": (totals["squares"] * 0).sqrt()}

    ours = trainer()
    ours.objective = Steep(ours.model)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="`norm of the gradient` must be a finite number, but is nan at step 1,"):
        ours.run()


@pytest.mark.parametrize(
    ("limits", "steps", "reason"),
    [
        (Limits(steps=7), 7, "7 steps"),
        (Limits(epochs=2), 2 * BATCHES, "2 epochs"),
        (Limits(steps=100, epochs=1), BATCHES, "1 epochs"),
        (Limits(epochs=1.4, epoch_steps=BATCHES), 7, "1.4 epochs"),
        (Limits(epochs=2, epoch_steps=BATCHES - 1), 2 * BATCHES, "2 epochs"),  # the last one has a batch more
    ],
)
def test_the_first_limit_ends_training(limits: Limits, steps: int, reason: str) -> None:
    outcome = trainer(limits=limits).run()
    assert (outcome.step, outcome.reason) == (steps, reason)
    assert outcome.metrics.keys() == {"loss"}  # validated at the end, even in the middle of an epoch
    assert str(outcome).startswith(
        f"ended after step {steps} ({steps // BATCHES} epochs): limit of {reason}; best loss"
    )


def test_minutes_add_up_over_resumptions_and_a_decay_ends_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]

    def passing(cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch]]:
        for each in batches(cursor):
            now[0] += 6  # seconds a step
            yield each

    monkeypatch.setattr("unspool.training.loop.time.monotonic", lambda: now[0])
    settings: dict[str, Any] = {"limits": Limits(minutes=2), "schedule": Schedule(1.0, decay="linear")}
    watcher = Watcher(8, lambda: os.kill(os.getpid(), signal.SIGINT))
    first = trainer(tmp_path, observers=[watcher], **settings)
    first.batches = passing
    first.run()
    now[0] += 3600  # an hour off
    later = Watcher()
    second = trainer(tmp_path, observers=[later], **settings)
    second.batches = passing
    outcome = second.run(resume=True)
    assert (outcome.step, outcome.seconds, outcome.reason) == (20, 120, "2 minutes")
    rates = [record["learning_rate"] for record in watcher.records + later.records]
    assert rates == pytest.approx([1 - step / 20 for step in range(20)])


def test_patience_ends_training_and_the_best_is_kept(tmp_path: Path) -> None:
    values = iter([5.0, 6.0, 3.0, 4.0, float("nan"), 3.0, 1.0])
    validation = Validation(lambda model: {"wer": next(values)}, "wer", every=2, patience=3)
    ours = trainer(tmp_path, validation=validation)
    outcome = ours.run()
    assert (outcome.reason, outcome.step) == ("patience", 12)
    assert (outcome.best.value, outcome.best.step) == (3.0, 6)
    best = trainer(tmp_path, validation=validation)
    best._begin(tmp_path / "best.safetensors")
    assert best.step == 6


def test_patience_goes_on_over_a_resumption(tmp_path: Path) -> None:
    values = iter([3.0, 4.0, 5.0, 4.5])
    validation = Validation(lambda model: {"loss": next(values)}, every=2, patience=3)
    trainer(tmp_path, validation=validation, limits=Limits(steps=4)).run()
    outcome = trainer(tmp_path, validation=validation).run(resume=True)
    assert (outcome.reason, outcome.step, outcome.best.value, outcome.best.step) == ("patience", 8, 3.0, 2)


def test_more_is_better_where_it_is() -> None:
    values = iter([1.0, 3.0, 2.0, 2.0])
    outcome = trainer(
        validation=Validation(lambda model: {"bleu": next(values)}, "bleu", "higher", every=1, patience=2)
    ).run()
    assert (outcome.step, outcome.best.value, outcome.best.step) == (4, 3.0, 2)


def test_validation_sees_averages_in_evaluation_and_changes_nothing() -> None:
    ours = trainer(limits=Limits(steps=9), validation=None)
    ours.run()
    seen = []

    def watched(model: nn.Module) -> dict[str, float]:
        seen.append((model.training, torch.is_grad_enabled(), model.head.weight.clone()))
        return {"loss": 0.0}

    validated = trainer(limits=Limits(steps=9), validation=Validation(watched, every=3))
    validated.run()
    assert differing(everything(ours), everything(validated)) == []
    training, gradients, weight = seen[-1]
    assert (training, gradients, len(seen)) == (False, False, 3)
    assert torch.equal(weight, validated.averages.weights()["head.weight"])
    assert not torch.equal(weight, validated.model.head.weight)


def test_under_autocast_weights_stay_and_the_loss_falls() -> None:
    watcher = Watcher()
    ours = trainer(bfloat16=True, limits=Limits(steps=30), observers=[watcher], averages=MovingAverage(0.9))
    dtypes = set()
    ours.model.float()
    ours.model.head.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
    whole = data(torch.float32)

    def single(cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch]]:
        while True:
            yield (0, 0), whole

    ours.batches, ours.validation = single, None
    ours.run()
    assert dtypes == {torch.bfloat16}
    assert {weight.dtype for weight in ours.model.parameters()} == {torch.float32}
    assert watcher.records[-1]["loss"] < 0.9 * watcher.records[0]["loss"]


def test_a_batch_of_nothing_is_a_step_that_changes_nothing() -> None:
    empty = Batch(Ragged(torch.zeros(0, 3).double(), [0, 0]), Ragged(torch.zeros(0, 2).double(), [0, 0]))
    ours = trainer(schedule=Schedule(0.1, decay="constant"))
    ours.optimiser = adamw(ours.model, weight_decay=0)
    before = {name: value.clone() for name, value in ours.model.state_dict().items()}
    with randomness.using(seed=0, step=0):
        record = ours.advance(empty)
    assert record["loss"] == record["gradient_norm"] == 0
    assert differing(before, dict(ours.model.state_dict())) == []


def ended(cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch]]:
    yield next(batches(cursor))


def misnamed() -> Trainer:
    made = trainer()
    made.objective.scales = {"squares": 1.0}  # type: ignore[misc]
    return made


def finite() -> Trainer:
    made = trainer()
    made.batches = ended
    return made


MISTAKES = {
    "no micro-batch": (lambda: trainer(accumulate=0), "`accumulate` must be at least 1 micro-batch, but is 0"),
    "a clip of nothing": (lambda: trainer(clip=0.0), "`clip` must be above 0, or None to clip nothing, but is 0.0"),
    "no limit": (lambda: Limits(), "`limits` must give `steps`, `epochs` or `minutes`, but gives none"),
    "a limit of nothing": (lambda: Limits(steps=0), "`steps` of the limits must be above 0, but is 0"),
    "a metric that is not there": (
        lambda: trainer(validation=Validation(loss, "los", every=1)).run(),
        "`metric` must be one that validations give (loss), but is `los` (nearest: `loss`)",
    ),
    "a direction that is none": (
        lambda: Validation(loss, better="more"),  # type: ignore[arg-type]
        '`better` must be "lower" or "higher", but is \'more\'',
    ),
    "never": (
        lambda: Validation(loss, every=0),
        '`every` of validations must be "epoch" or a number of steps, but is 0',
    ),
    "no patience": (
        lambda: Validation(loss, patience=0),
        "`patience` must be at least 1 validation, or None, but is 0",
    ),
    "an order that ends": (
        lambda: finite().run(),
        "`batches` must go on for ever, epoch after epoch, but ended; limits say when to stop",
    ),
    "a loss without a scale": (
        lambda: misnamed().run(),
        "`objective` must give `totals` (squares, absolutes), `weights` (squares, absolutes) and `scales` (squares) "
        "under the same names",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(case: str) -> None:
    mistake, message = MISTAKES[case]
    with pytest.raises(TrainingError) as error:
        mistake()
    assert str(error.value) == message


def test_a_fresh_start_overwrites_no_checkpoint(tmp_path: Path) -> None:
    trainer(tmp_path, limits=Limits(steps=1)).run()
    with pytest.raises(RunError) as error:
        trainer(tmp_path).run()
    assert str(error.value) == (
        f"`folder` must hold no checkpoint when training starts anew, but holds `{tmp_path / 'last.safetensors'}`; "
        "resume from it, or give another folder"
    )


def test_resuming_asks_for_the_same_model_and_seed(tmp_path: Path) -> None:
    trainer(tmp_path, limits=Limits(steps=1)).run()
    with pytest.raises(RunError, match=r"`seed` must be the checkpoint's \(3\) to go on, but is 4"):
        trainer(tmp_path, seed=4).run(resume=True)
    other = trainer(tmp_path)
    other.model = nn.Linear(2, 2)
    with pytest.raises(RunError, match="`model` must be the checkpoint's to go on, but differs"):
        other.run(resume=True)
    with pytest.raises(RunError, match="`folder` must be given to resume from, but is None"):
        trainer().run(resume=True)


def test_a_finished_run_resumed_does_nothing_more(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.run()
    second = trainer(tmp_path)
    outcome = second.run(resume=True)
    assert (outcome.step, outcome.reason) == (23, "23 steps")
    assert differing(everything(first), everything(second)) == []
