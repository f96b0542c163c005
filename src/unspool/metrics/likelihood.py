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


def nats_per_step(nats: float, steps: float) -> Score:
    """The mean negative log-likelihood of a step, in nats: of all that sounds at once, of a row of pixels, of a stroke.

        Σ -log p(step | input, steps before it) / number of steps

    Args:
        nats: the sum of -log p, natural logarithm.
        steps: how many there are.

    Raises:
        DataError: no steps.

    Reference:
        Boulanger-Lewandowski et al. (2012), table 1, for music.

    Example:
        >>> print(nats_per_step(nats=850.0, steps=100))
        nats_per_step 8.50 (lower is better; unit:step)
    """
    if not steps > 0:
        raise DataError(f"`steps` must be above 0, but is {steps}")
    return Score(nats / steps, "nats_per_step", "lower", {"nats": nats, "steps": steps}, "unit:step")


def nats_per_sequence(nats: float, sequences: float) -> Score:
    """The mean negative log-likelihood of a whole sequence, in nats: of a picture, of a drawing, of a piece of music.

        Σ -log p(sequence | input) / number of sequences

    Args:
        nats: the sum of -log p, natural logarithm.
        sequences: how many there are.

    Raises:
        DataError: no sequences.

    Reference:
        Larochelle and Murray (2011), table 1, for pictures of digits.

    Example:
        >>> print(nats_per_sequence(nats=8500.0, sequences=100))
        nats_per_sequence 85.00 (lower is better; unit:sequence)
    """
    if not sequences > 0:
        raise DataError(f"`sequences` must be above 0, but is {sequences}")
    details = {"nats": nats, "sequences": sequences}
    return Score(nats / sequences, "nats_per_sequence", "lower", details, "unit:sequence")


def bits_per_character(nats: float, characters: float) -> Score:
    """The mean negative log-likelihood of a character, in bits, whatever the tokens are.

        Σ -log2 p(token | tokens before it) / number of characters

    Over all characters of the answers, and the end of each as one, as the end of a line. So models with different
    tokens can be compared, where these spell every text. A token that is not in the vocabulary counts as the unknown
    token, as probable as the model finds that one, which says less than its characters do.

    Args:
        nats: the sum of -log p, natural logarithm.
        characters: how many there are, ends included.

    Raises:
        DataError: no characters.

    Reference:
        Graves (2013), section 3.

    Example:
        >>> print(bits_per_character(nats=100 * math.log(4), characters=100))
        bits_per_character 2.00 (lower is better; unit:character|end:yes|unknown:one token)
    """
    if not characters > 0:
        raise DataError(f"`characters` must be above 0, but is {characters}")
    details = {"nats": nats, "characters": characters}
    signature = "unit:character|end:yes|unknown:one token"
    return Score(nats / characters / math.log(2), "bits_per_character", "lower", details, signature)


def _exp(mean: float) -> float:
    return math.exp(mean) if mean < 700 else math.inf
