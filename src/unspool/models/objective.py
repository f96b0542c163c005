"""What training minimises: sums and their weights, never means."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


class Objective(Protocol):
    """Named terms of a loss. The loss of a step is

        Σ_name scales[name] · (Σ totals[name]) / (Σ weights[name])

    where the inner sums run over everything the step saw, on however many devices and in however many micro-batches: so
    its gradient does not depend on how the step was cut.
    """

    scales: Mapping[str, float]

    def weights(self, batch: Any) -> dict[str, float]:
        """What each term is divided by, such as a number of tokens. It depends on the batch alone."""
        ...

    def totals(self, batch: Any) -> dict[str, Tensor]:
        """Each term summed over the batch: scalars, differentiable."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """An objective that carries something from step to step, such as states of streams: every checkpoint holds it."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, saved: dict[str, Any], /) -> None: ...
