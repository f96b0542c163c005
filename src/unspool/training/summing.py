"""Gradients of a step that several ranks share."""

# No `from __future__ import annotations`: PyTorch reads those of a communication hook as they are.
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.futures import Future
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from unspool.errors import TrainingError
from unspool.models.objective import Objective
from unspool.parallel import Group

Loss = Callable[[Any, Mapping[str, float]], Tensor | None]


def weights_of(objective: Objective, parts: Sequence[Any], group: Group) -> dict[str, float]:
    """The weights of a whole step, by name, from those of its parts on all ranks."""
    found: dict[str, float] = {}
    for part in parts:
        for name, weight in objective.weights(part).items():
            found[name] = found.get(name, 0.0) + float(weight)
    if group.size == 1:
        return found
    names = list(objective.scales)  # the same on all ranks, also where there is nothing to weigh
    sums = group.sum([*(found.get(name, 0.0) for name in names), *(float(name in found) for name in names)])
    return found | {name: sums[i] for i, name in enumerate(names) if sums[i + len(names)]}


class SummedGradients:
    """Backward passes of all ranks, whose gradients are summed over the ranks while the last pass still runs.

    Sums, not means: the loss of a part is already divided by the weights of the whole step. What is summed together,
    and in which order, follows from the model and the number of ranks alone, so that a step gives the same bits when
    it is run again. (DDP would regroup its buckets after the first step, and sum otherwise in a run that goes on.)

    Args:
        model: whose gradients; rank 0's weights are given to all.
        loss: from a part and the weights of the step to the part's share of the loss; None: it has none.
        group: the ranks.

    Raises:
        TrainingError: a model with batch normalisation, whose gradients depend on how a batch is cut.

    Reference:
        Li et al. (2020), PyTorch Distributed, section 3.2.3.
    """

    def __init__(self, model: nn.Module, loss: Loss, group: Group) -> None:
        for name, module in model.named_modules():
            if isinstance(module, _BatchNorm):
                raise TrainingError(
                    f"`{name}` must not normalise over a batch on {group.size} ranks, since a step would then depend "
                    f"on how it is shared out, but is a {type(module).__name__}; use `nn.GroupNorm` or `nn.LayerNorm`"
                )
        self._group = group
        with group.listening():
            # Unused parameters are looked for, since a rank may have nothing to do, and keep the buckets as they are.
            # Gradients lie where they are summed, so that none is copied there and back.
            self._ddp = DistributedDataParallel(
                _Part(model, loss),
                forward_sync_buffers=False,
                find_unused_parameters=True,
                gradient_as_bucket_view=True,
            )
            self._ddp.register_comm_hook(None, _summed)

    def backward(self, parts: Sequence[Any], weights: Mapping[str, float]) -> list[Tensor]:
        """Leave the gradients of the whole step on every rank; returns the shares of the loss of this one's parts."""
        losses = []
        rounds = parts or [None]
        with self._group.listening():
            for number, part in enumerate(rounds, start=1):
                with nullcontext() if number == len(rounds) else self._ddp.no_sync():
                    loss = self._ddp(part, weights)
                    loss.backward()
                losses.append(loss.detach())
        return losses[: len(parts)]


class _Part(nn.Module):
    """The loss of a part as a module, with two parameters of no effect.

    One has a gradient even where nothing else has one; the other never has, else DDP would warn that all have one.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self._loss = model, loss
        device = next(model.parameters()).device
        self.anchor, self.idle = (nn.Parameter(torch.zeros((), device=device)) for _ in range(2))

    def forward(self, part: Any, weights: Mapping[str, float]) -> Tensor:
        loss = None if part is None else self._loss(part, weights)
        return self.anchor * 0 if loss is None else loss + self.anchor * 0


def _summed(state: object, bucket: distributed.GradBucket) -> Future[Tensor]:  # type: ignore[name-defined]
    """A bucket's gradients, summed over the ranks."""
    work = distributed.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    return work.get_future().then(lambda done: done.value()[0])  # type: ignore[no-any-return]
