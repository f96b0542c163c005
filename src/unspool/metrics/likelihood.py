"""How probable a model finds the right answers."""

import math

from unspool.errors import DataError
from unspool.metrics.score import Score


def perplexity(nats: float, tokens: float) -> Score:
    """exp of the mean negative log-likelihood: of so many equally probable tokens each one is, on average.

        exp(Σ -log p(token | input, tokens before it) / number of tokens)

    Over all tokens of the answers and the end of each. A token that is not in the vocabulary counts as the unknown
    token, as probable as the model finds that one. So a figure depends on the vocabulary: compare models that write
    the same tokens.

    Args:
        nats: the sum of -log p, natural logarithm.
        tokens: how many there are, ends included.

    Returns:
        From 1 on. `details`: nats and tokens.

    Raises:
        DataError: no tokens.

    Example:
        >>> print(perplexity(nats=10 * math.log(50), tokens=10))
        perplexity 50.00 (lower is better; unit:token|end:yes|unknown:one token)
    """
    if not tokens > 0:
        raise DataError(f"`tokens` must be above 0 to have a perplexity, but is {tokens}")
    details = {"nats": nats, "tokens": tokens}
    signature = "unit:token|end:yes|unknown:one token"
    return Score(_exp(nats / tokens), "perplexity", "lower", details, signature)


def _exp(mean: float) -> float:
    return math.exp(mean) if mean < 700 else math.inf
