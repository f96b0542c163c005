"""The one loop: any objective over any order of batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from unspool import parallel, randomness
from unspool.errors import RunError, TrainingError
from unspool.models.objective import Objective, Stateful
from unspool.parallel import Group
from unspool.training import checkpoint, generators
from unspool.training.allocation import keep_freed
from unspool.training.averaging import Averages
from unspool.training.batches import Batch, next_of
from unspool.training.finite import loss_of, no_number
from unspool.training.limits import Best, Cursor, Interruption, Limits, Validation
from unspool.training.optimisation import Schedule
from unspool.training.outcome import Outcome
from unspool.training.progress import Observer, Record, observed
from unspool.training.summing import SummedGradients, weights_of
from unspool.unrolling import within
from unspool.unrolling.budget import Memory, shared


@dataclass(eq=False)
class Trainer:
    """Trains a model until a limit is reached.

    Args:
        model: what is trained; on its device and of its dtype.
        objective: what is to become small. Its sums make a step the same for any `accumulate`.
        batches: cursor -> an endless iterator of (cursor, batch): batches on the device of the model, each with the
            cursor from which the order goes on after it. A cursor is (epochs done, batches done of the next), (0, 0)
            at the start; the last batch of the first epoch comes with (1, 0). On several ranks each gives its own
            share of the batch, or None where it has none of it.
        optimiser: of PyTorch, such as `adamw(model)` makes.
        schedule: sets the learning rate of each step.
        limits: when to end.
        seed: with the number of the step, where all random masks come from.
        accumulate: micro-batches that a batch is cut into, for memory.
        clip: the largest norm of the gradient; None: any.
        memory: what all recurrences of the model may take for their gradients, such as "200MB": as of
            `unspool.unroll`. An equal share for each; None: what they need.
        bfloat16: run the model under autocast; weights and optimiser keep their dtype.
        averages: `MovingAverage` or `LastMean`; by default none.
        validation: how and when to validate; None: never.
        folder: where `last.safetensors` and `best.safetensors` are written; None: nowhere.
        save_minutes: the longest time between two writings of the last checkpoint; validations write it as well.
        observers: told of each step: `MetricsFile`, `ProgressBar`, `ProgressLines`. On rank 0 alone.
        examples: whether a step's record says which examples it saw, rank by rank, as `examples`.
        group: the ranks that share each step; only rank 0 writes. By default those of `parallel.joined`.

    Raises:
        TrainingError: an `accumulate` below 1, or a `clip` that is not above 0.
    """

    model: nn.Module
    objective: Objective
    batches: Callable[[Cursor], Iterator[tuple[Cursor, Any]]]
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    limits: Limits
    seed: int = 0
    accumulate: int = 1
    clip: float | None = 1.0
    memory: Memory | None = None
    bfloat16: bool = False
    averages: Averages = field(default_factory=Averages)
    validation: Validation | None = None
    folder: str | PathLike[str] | None = None
    save_minutes: float = 10.0
    observers: Sequence[Observer] = ()
    examples: bool = False
    group: Group = field(default_factory=parallel.current)

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise TrainingError(f"`accumulate` must be at least 1 micro-batch, but is {self.accumulate}")
        if self.clip is not None and not self.clip > 0:
            raise TrainingError(f"`clip` must be above 0, or None to clip nothing, but is {self.clip}")
        self._share = shared(self.memory, self.model)
        self._summed = SummedGradients(self.model, self._loss, self.group) if self.group.size > 1 else None
        self.step, self.seconds = 0, 0.0
        self.cursor: Cursor = (0, 0)
        self.best = Best()
        self.metrics: dict[str, float] = {}
        self._saved = 0.0  # the seconds at the last writing

    def run(self, *, resume: bool | str | PathLike[str] = False) -> Outcome:
        """Train until a limit, patience, Ctrl-C or SIGTERM ends it; called again, go on.

        Args:
            resume: go on from `last.safetensors` in `folder`, or from the checkpoint of this path. The weights come out
                as if training had never stopped, bit for bit, unless `limits` are in minutes.

        Raises:
            TrainingError: a loss or gradient that is no number; checkpoints stay as they are.
            RunError: a checkpoint that can't be read or written, or that a fresh start would overwrite.
        """
        keep_freed()
        self._begin(resume)
        batches = self.batches(self.cursor)
        zero = time.monotonic() - self.seconds
        reason = self.limits.reached(*self._position)
        with Interruption(told=self.group.first) as interruption, observed(self._observers, self.step):
            self.model.train()
            while reason is None:
                cursor, batch = next_of(batches)
                with randomness.using(seed=self.seed, step=self.step), within(self._share):
                    record = self.advance(batch)
                before, self.cursor, self.step = self.cursor, cursor, self.step + 1
                wished = self._agreed(time.monotonic() - zero, interruption)
                reason = self.limits.reached(*self._position)
                if self.validation and (reason or self.validation.due(self.step, self.cursor, before)):
                    record["metrics"] = self.validate(self.validation)
                    wished = self._agreed(time.monotonic() - zero, interruption)
                    reason = reason or ("patience" if self.best.patience_over(self.validation) else None)
                reason = reason or ("interrupted" if wished else None)
                self._tell(record, epoch=before[0] + 1)
                if reason or "metrics" in record or self.seconds - self._saved > 60 * self.save_minutes:
                    self.save(checkpoint.LAST)
        last = Path(self.folder) / checkpoint.LAST if self.folder is not None else None
        metric = self.validation.metric if self.validation else None
        return Outcome(reason, self.step, self.cursor[0], self.seconds, self.metrics, self.best, metric, last)

    @property
    def _observers(self) -> Sequence[Observer]:
        return self.observers if self.group.first else ()

    def _agreed(self, seconds: float, interruption: Interruption) -> bool:
        """Whether any rank is asked to end. The seconds of all are rank 0's, since limits and decay follow them."""
        mine = [seconds if self.group.first else 0.0, float(interruption.wished)]
        self.seconds, wished = self.group.sum(mine)
        return wished > 0

    @property
    def _position(self) -> tuple[int, Cursor, float]:
        return self.step, self.cursor, self.seconds

    def _begin(self, resume: bool | str | PathLike[str]) -> None:
        if resume:
            if resume is True and self.folder is None:
                raise RunError("`folder` must be given to resume from, but is None; or give `resume` a path")
            path = Path(self.folder or "") / checkpoint.LAST if resume is True else Path(resume)
            self.load_state_dict(self.group.once(lambda: checkpoint.load_last(path)))
            return
        if self.folder is None or self.step > 0:
            return
        self.group.once(lambda: checkpoint.check_none(Path(self.folder or "")))
        self.save(checkpoint.LAST)  # a folder that can't be written to is best known before the first epoch

    def advance(self, batch: Batch | None) -> Record:
        """One step of the optimiser on one batch, or on this rank's share of it.

        Every weight is known before the first gradient, so each micro-batch's loss is divided by the whole batch's, and
        gradients add up to the same for any number of micro-batches and of ranks.
        """
        began = time.monotonic()
        whole = [] if batch is None else [batch]
        parts = [part for each in whole for part in (each.split(self.accumulate) if self.accumulate > 1 else [each])]
        weights = weights_of(self.objective, parts, self.group)
        self.optimiser.zero_grad(set_to_none=True)
        backward = self._summed.backward if self._summed else self._backward
        loss, norm = self._checked(parts, backward(parts, weights))
        rate = self.schedule.rate(self.step, self.limits.done(*self._position))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.averages.update(self.model)
        speed = next(iter(weights.values()), 0.0) / max(time.monotonic() - began, 1e-9)
        record = {"loss": loss, "learning_rate": rate, "gradient_norm": norm, "tokens_per_second": speed}
        return record | ({"examples": self._ids(parts)} if self.examples else {})

    def _ids(self, parts: Sequence[Batch]) -> list[list[int]]:
        """Which examples each rank saw."""
        return self.group.gathered([number for part in parts for number in part.ids.tolist()])

    def _backward(self, parts: Sequence[Batch], weights: Mapping[str, float]) -> list[Tensor]:
        """Leave the gradients of the step; returns the micro-batches' shares of the loss."""
        losses = []
        for part in parts:
            loss = self._loss(part, weights)
            if loss is not None:
                loss.backward()
            losses.append(torch.zeros(()) if loss is None else loss.detach())
        return losses

    def _loss(self, part: Batch, weights: Mapping[str, float]) -> Tensor | None:
        """A micro-batch's share of the loss; None: it has none, as sequences of length zero."""
        device = next(self.model.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.bfloat16):
            totals = self.objective.totals(part)
            if not totals.keys() == weights.keys() <= self.objective.scales.keys():
                raise TrainingError(
                    f"`objective` must give `totals` ({', '.join(totals)}), `weights` ({', '.join(weights)}) and "
                    f"`scales` ({', '.join(self.objective.scales)}) under the same names"
                )
            shares = [
                total * (self.objective.scales[name] / weights[name]) for name, total in totals.items() if weights[name]
            ]
        return torch.stack([share.reshape(()) for share in shares]).sum() if shares else None

    def _checked(self, parts: Sequence[Batch], losses: Sequence[Tensor]) -> tuple[float, float]:
        """The loss and the norm of the gradient, which is clipped.

        The losses are read after all gradients, since to read one waits for the device.
        """
        loss = loss_of(losses, [part.ids.tolist() for part in parts], self.group, self._no_number)
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        norm = get_total_norm(gradients)
        if not math.isfinite(norm.item()):
            ids = [number for rank in self._ids(parts) for number in rank]
            raise self._no_number("norm of the gradient", norm.item(), ids)
        if self.clip is not None:
            clip_grads_with_norm_(self.model.parameters(), self.clip, norm)
        return loss, norm.item()

    def _no_number(self, what: str, value: float, ids: Sequence[int]) -> TrainingError:
        clip = f"`clip` (now {self.clip:g})" if self.clip is not None else "`clip` set (now None)"
        where = f"step {self.step + 1}, epoch {self.cursor[0] + 1}"
        rate = f"a lower `learning_rate` (now at most {self.schedule.learning_rate:g})"
        return no_number(what, value, ids, where, f"{rate}, more `warmup` or a smaller {clip}")

    def validate(self, validation: Validation) -> dict[str, float]:
        """The metrics of the averaged weights; a new best is written before anything else can happen."""
        self.averages.snapshot(self.model)
        self.model.eval()
        with self.averages.applied(self.model), torch.no_grad():
            found = {name: float(value) for name, value in validation.run(self.model).items()}
        self.metrics = self.group.told(found)
        self.model.train()
        improved = self.best.improved(validation, self.metrics, self.step)
        self.schedule.validated(improved=improved)
        if improved:
            self.save(checkpoint.BEST)
        return self.metrics

    def save(self, name: str) -> None:
        """Write everything that is needed to go on to `folder / name`, from rank 0.

        Raises:
            RunError: it can't be written; earlier checkpoints stay.
            ParallelError: ranks whose weights are not the same.
        """
        if self.folder is None:
            return
        state, path = self.state_dict(), Path(self.folder) / name
        if self.group.size > 1:
            self.group.check_same({"weights": checkpoint.checksum("", state["weights"])})
        write = checkpoint.save_last if name == checkpoint.LAST else checkpoint.save
        self.group.once(lambda: write(state, path))
        self._saved = self.seconds

    def state_dict(self) -> dict[str, Any]:
        """Where training stands, complete: tensors, and what JSON knows. All ranks ask at once."""
        random, *others = self.group.gathered(generators.states())
        return {
            "step": self.step,
            "seed": self.seed,
            "cursor": self.cursor,
            "seconds": self.seconds,
            "weights": dict(self.model.state_dict()),
            "averages": self.averages.state_dict(),
            "averaged": self.averages.weights(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": asdict(self.best),
            "metrics": self.metrics,
            "objective": self.objective.state_dict() if isinstance(self.objective, Stateful) else None,
            "random": random,
            "random of other ranks": others,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Stand where `state_dict` was taken.

        Raises:
            RunError: it is of another seed or another model.
        """
        if saved["seed"] != self.seed:
            raise RunError(f"`seed` must be the checkpoint's ({saved['seed']}) to go on, but is {self.seed}")
        try:
            self.model.load_state_dict(saved["weights"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.averages.load_state_dict(saved["averages"], self.model)
        except (RuntimeError, ValueError, KeyError) as error:
            raise RunError(
                f"`model` must be the checkpoint's to go on, but differs ({error}); use the same settings, or start "
                "anew from its weights (`initialise`)"
            ) from error
        self.schedule.load_state_dict(saved["schedule"])
        self.step, self.cursor, self.seconds = saved["step"], saved["cursor"], saved["seconds"]
        self.best, self.metrics, self._saved = Best(**saved["best"]), saved["metrics"], saved["seconds"]
        if isinstance(self.objective, Stateful) and saved.get("objective") is not None:
            self.objective.load_state_dict(saved["objective"])
        states = [saved["random"], *saved.get("random of other ranks", [])]
        generators.restore(states[self.group.rank if self.group.rank < len(states) else 0])

    def _tell(self, record: Record, epoch: int) -> None:
        record |= {"step": self.step, "epoch": epoch, "seconds": self.seconds}
        record["done"] = self.limits.done(*self._position)
        for observer in self._observers:
            observer.step(record)
