"""Small models with drawn weights, so that ends come early, late and never; and searches written without a batch."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.roster import noisy
from torch import Tensor

from unspool import Ragged, cells
from unspool.models import encoder_decoder

VOCABULARY, START, END = 5, 1, 2
SOURCES = [[3, 4, 3, 6], [], [5], [4, 4, 6]]
KINDS = [("none", False), ("general", False), ("additive", True), ("location", True), ("multihead", False)]


def model_of(seed: int, attention: str = "additive", feeding: bool = True, ends: float = 0.0) -> Any:
    """A model in float64 whose scores differ much. ends: added to the end's score."""
    torch.manual_seed(seed)
    sizes = {"embedding_size": 4, "hidden_size": 3, "decoder_hidden_size": 4, "heads": 2, "dropout": 0.2}
    model = encoder_decoder(7, VOCABULARY, attention=attention, feeding=feeding, cell=cells.GRU, **sizes).double()
    model = noisy(noisy(model)).eval()
    with torch.no_grad():
        model.output.weight *= 2
        model.output.bias += torch.randn(VOCABULARY, dtype=torch.float64)
        model.output.bias[END] += ends
    return model


def models(examples: int = 15) -> Any:
    """A test's `model`: of every kind of attention, with drawn weights and a drawn liking for ends."""
    drawn = st.builds(
        lambda seed, kind, ends: model_of(seed, *kind, ends=ends),
        st.integers(0, 10_000),
        st.sampled_from(KINDS),
        st.sampled_from([-2.0, -0.5, 0.5, 2.0]),
    )

    def decorate(test: Any) -> Any:
        return settings(max_examples=examples, deadline=None, derandomize=True)(given(model=drawn)(test))

    return decorate


def ragged(sources: list[list[int]]) -> Ragged:
    """These sequences; ids are not places."""
    ids = torch.tensor([(sum(source) * 7 + len(source)) % 101 for source in sources], dtype=torch.int64)
    lengths = torch.tensor([len(source) for source in sources], dtype=torch.int64)
    return Ragged(torch.tensor([token for source in sources for token in source], dtype=torch.int64), lengths, ids)


def encoded(model: Any, sources: list[list[int]] | None = None) -> Any:
    """What the model's encoder makes of these sources."""
    with torch.no_grad():
        return model.encode(ragged(SOURCES if sources is None else sources))


def next_scores(model: Any, source: list[int], prefix: list[int]) -> tuple[Tensor, Tensor | None]:
    """log p(next | prefix, source), and where each step up to this one looked: all steps from the beginning again."""
    with torch.no_grad():
        state, context = model.start(encoded(model, [source]))
        looked = []
        for token in [START, *prefix]:
            decoded, state = model.step(torch.tensor([token]), state, context)
            looked.append(decoded.weights)
    return decoded.output[0].log_softmax(0), None if looked[0] is None else torch.cat(looked)


class Found(NamedTuple):
    """tokens, whether they ended, log-probability, and where the steps looked, the end's among them."""

    tokens: tuple[int, ...]
    complete: bool
    log_probability: float
    looked: Tensor | None


def every_output(model: Any, source: list[int], max_length: int) -> Iterator[Found]:
    """Every sequence of tokens with an end after at most so many of them."""
    waiting: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    while waiting:
        prefix, total = waiting.pop()
        scores, looked = next_scores(model, source, list(prefix))
        yield Found(prefix, True, total + float(scores[END]), looked)
        if len(prefix) < max_length:
            waiting += [((*prefix, i), total + float(scores[i])) for i in range(VOCABULARY) if i not in (START, END)]


def score(found: Found, length_penalty: float = 0.0, coverage_penalty: float = 0.0) -> float:
    """Wu et al. (2016), equation 14."""
    value = found.log_probability / ((5 + len(found.tokens) + found.complete) / 6) ** length_penalty
    if coverage_penalty:
        for column in found.looked.T.tolist():
            value += coverage_penalty * math.log(min(sum(column), 1.0))
    return value


def beam(model: Any, source: list[int], size: int, max_length: int, min_length: int = 0) -> list[Found]:
    """A beam search over one source, a hypothesis at a time."""
    running: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    ended: list[Found] = []
    for time in range(max_length + 1):
        candidates = []
        for prefix, total in running:
            scores, looked = next_scores(model, source, list(prefix))
            for token in range(VOCABULARY):
                if token != START and (token != END or time >= min_length):
                    candidates.append((total + float(scores[token]), prefix, token, looked))
        candidates.sort(key=lambda candidate: -candidate[0])
        ended += [
            Found(prefix, True, total, looked) for total, prefix, token, looked in candidates[:size] if token == END
        ]
        if time == max_length or len(ended) >= size:
            break
        running = [((*prefix, token), total) for total, prefix, token, _ in candidates if token != END][:size]
    return ended or [Found(prefix, False, total, None) for prefix, total in running]
