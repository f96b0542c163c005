"""Slot error: which values of a dialogue act its sentence leaves out, and which it says without being asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from unspool import acts
from unspool.acts import Act
from unspool.errors import DataError, FieldError
from unspool.metrics.score import Score, check, references_in_words

WORDS = {
    "kidsallowed": frozenset(("child", "children", "kid", "kids")),
    "dogsallowed": frozenset(("dog", "dogs", "puppy")),
    "hasinternet": frozenset(("internet", "wifi")),
    "acceptscreditcards": frozenset(("card", "cards")),
    "isforbusinesscomputing": frozenset(("business", "nonbusiness", "home", "personal", "general")),
    "hasusbport": frozenset(("usb",)),
}
"""Of slots that mean yes or no, the words by which the published figures tell that one is said. Looked for where any of
the acts has the slot."""

LEFT_OUT = ("?select", "suggest")
"""Kinds of acts that the published figures leave out: they offer several values of one slot."""


def slot_error(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], inputs: Sequence[str] | None = None
) -> Score:
    """Slots missing and slots too many, for 100 slots asked for (ERR).

        100 · Σ (missing + redundant) / Σ asked

    As RNNLG counts for its published figures: each sentence is delexicalised with its act, and for each token of a slot
    the difference is taken between how often it should come (once) and how often it does. For six slots of yes and no
    (`WORDS`), of which no value is said, it is the difference between how often the act has the slot and how often one
    of its words comes. No other slot without a value to say is counted (`type`, or any `dontcare`), and no act of the
    kinds `LEFT_OUT`. Unlike RNNLG, `processor` is counted, and one sentence for an act, where it takes the five best.

    Args:
        hypotheses: a sentence for each act, its values filled in.
        references: are not read; as of every metric.
        inputs: the acts, as `unspool.acts.parse` reads them.

    Returns:
        From 0; above 100 where more is wrong than is asked for. `details`: missing, redundant and asked, three counts.

    Raises:
        DataError: no hypotheses, not as many acts, a text that is no act, or acts that ask for no slot.

    Reference:
        Wen et al. (2015), Semantically conditioned LSTM-based natural language generation for spoken dialogue systems.

    Example:
        >>> said = ["chow is near soma", "chow serves thai food and thai wine"]
        >>> print(slot_error(said, [["…"]] * 2, ["inform(name=chow;area=castro;near=soma)", "inform(food=thai)"]))
        slot_error 25.00 (lower is better; nrefs:1|slots:rnnlg)
    """
    check(hypotheses, references)
    sums = [sum(column) for column in zip(*slot_counts(hypotheses, references, inputs), strict=True)]
    details = dict(zip(("missing", "redundant", "asked"), sums, strict=True))
    return Score(error_of(sums), "slot_error", "lower", details, f"{references_in_words(references)}|slots:rnnlg")


slot_error.reads_inputs = True  # type: ignore[attr-defined]


def slot_counts(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], inputs: Sequence[str] | None = None
) -> list[tuple[int, int, int]]:
    """For each sentence: slots missing, slots too many, slots asked for."""
    asked_for = _acts(inputs, len(hypotheses))
    named = {slot.name for act in asked_for for slot in act.slots}
    words = {name: known for name, known in WORDS.items() if name in named}
    counts = []
    for act, hypothesis in zip(asked_for, hypotheses, strict=True):
        slots = _slots(act, hypothesis, words)
        missing = sum(max(asked - said, 0) for asked, said in slots)
        redundant = sum(max(said - asked, 0) for asked, said in slots)
        counts.append((missing, redundant, sum(asked for asked, _ in slots)))
    return counts


def error_of(sums: Sequence[int]) -> float:
    """The metric of summed counts.

    Raises:
        DataError: no slot is asked for.
    """
    missing, redundant, asked = sums
    if not asked:
        raise DataError("`inputs` must ask for at least one slot to count, but none of the acts does")
    return 100 * (missing + redundant) / asked


def _acts(inputs: Sequence[str] | None, rows: int) -> list[Act]:
    if inputs is None or isinstance(inputs, str):
        raise DataError("`inputs` must be the acts that the hypotheses say, one for each, but are not given")
    if len(inputs) != rows:
        raise DataError(f"`inputs` must have an act for each of the {rows} hypotheses, but has {len(inputs)}")
    found = []
    for row, text in enumerate(inputs):
        try:
            found.append(acts.parse(text))
        except FieldError as error:
            raise DataError(f"`inputs`, row {row}: {error}") from error
    return found


def _slots(act: Act, hypothesis: str, words: Mapping[str, frozenset[str]]) -> list[tuple[int, int]]:
    """For each slot that counts: how often it is asked for, and how often said."""
    if act.kind in LEFT_OUT:
        return []
    filled = acts.words(hypothesis)
    # Tokens that `acts.fill` left come beside the values it filled: hidden, so that the values are looked for as well.
    said = acts.delexicalise(act, " ".join("…" if acts.is_token(word) else word for word in filled)).split()
    tokens = Counter(word for word in [*filled, *said] if acts.is_token(word))
    required = acts.required(act)
    found = [(int(token in required), tokens[token]) for token in {*required, *tokens}]
    asked = Counter(slot.name for slot in act.slots if slot.special not in (None, "?"))
    for slot, known in words.items():
        found.append((asked[slot], sum(word in known for word in said)))
    return found
