"""Several networks that write one sequence together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.models.decoder import Decoded
from unspool.models.encoder import Encoded
from unspool.ragged import Ragged
from unspool.state import State

Step = Callable[[Tensor, State, Any], tuple[Decoded, State]]


class Ensemble(nn.Module):
    """p(target | source) as the mean of several networks' at every token: where one errs, the others seldom do.

        p(y_t | y_<t, x) = 1/n Σ_i p_i(y_t | y_<t, x)

    What decodes one network decodes this. The networks may differ in all but what they read and write.

    Args:
        models: that can be decoded, as `EncoderDecoder` can: with `encode`, `start` and `step`; of one vocabulary of
            outputs, and reading the same ids.

    Raises:
        ModelError: no models; in decoding, ones of different vocabularies.

    Example:
        >>> models = [unspool.models.encoder_decoder(source_size=30, target_size=40, hidden_size=16) for _ in range(3)]
        >>> ensemble = unspool.models.Ensemble(models).eval()
        >>> encoded = ensemble.encode(Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3]))
        >>> best = unspool.decode.beam_search(ensemble, encoded, size=4, max_length=10)

    Reference:
        Sutskever et al. (2014), section 3.6. The mean of probabilities rather than of their logarithms, since a network
        that copies gives none at all to a token that it never saw.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        if not models:
            raise ModelError("`models` must be at least one, but are none")
        self.models = nn.ModuleList(models)

    def encode(self, source: Ragged) -> Encoded:
        """Read the sources by each network. The memory is the first one's; `final` holds what each gave."""
        every = tuple(model.encode(source) for model in self._models())
        return Encoded(every[0].memory, every, every[0].source)

    def start(self, encoded: Encoded) -> tuple[State, Any]:
        """The networks' states before the first token, and their contexts."""
        begun = [model.start(each) for model, each in zip(self._models(), encoded.final, strict=True)]
        return tuple(state for state, _ in begun), tuple(context for _, context in begun)

    def step(self, tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
        """Log-probabilities of the next tokens. tokens: (rows,) -> `Decoded.output` of (rows, vocabulary)"""
        return _together([model.step for model in self._models()], tokens, state, context)

    def stepper(self, rows: int) -> Step:
        """`step` for many steps of that many rows without gradients."""
        steps = [model.stepper(rows) if hasattr(model, "stepper") else model.step for model in self._models()]

        @torch.no_grad()
        def step(tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
            return _together(steps, tokens, state, context)

        return step

    def _models(self) -> list[Any]:
        return [*self.models]


def _together(steps: Sequence[Step], tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
    """A step of each. Where they looked is the mean; nowhere, if one has no attention or reads by other steps."""
    found = [step(tokens, *each) for step, *each in zip(steps, state, context, strict=True)]
    each = [decoded.output for decoded, _ in found]
    if len(sizes := {output.shape[1] for output in each}) > 1:
        raise ModelError(f"`models` must have one vocabulary of outputs, but have {sorted(sizes)} tokens")
    logs = torch.stack([output.to(torch.promote_types(output.dtype, torch.float32)).log_softmax(1) for output in each])
    seen = [decoded.weights for decoded, _ in found if decoded.weights is not None]
    alike = len(seen) == len(found) and len({weights.shape for weights in seen}) == 1
    looked = torch.stack(seen).mean(0) if alike else None
    return Decoded(logs.logsumexp(0) - math.log(len(each)), looked), tuple(state for _, state in found)
