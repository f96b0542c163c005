"""The values of an act in a text, as tokens of slots: taken out and filled in again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from unspool.acts.notation import Act, Slot, parse
from unspool.acts.places import ENDINGS, place_of
from unspool.acts.wording import TOKEN, words

AS_SAID = ("type",)
"""Slots whose value stays in the text: the noun of a sentence, which comes in its plural too."""


def delexicalise(act: str | Act, text: str) -> str:
    """A text, taken apart into `words`, with a token for each of the act's values that it holds.

        SLOT_NAME for the value of `name`, SLOT_NAME_2 for its second value, …

    One place of each value is taken, the longest values first, so that "satellite" is not looked for in "satellite
    pro". Of several places it is the one nearest to a word of the slot's name (for `ecorating=a`, that in "an a eco
    rating"), else the first. "hayes valley or chinatown" is found as "chinatown and hayes valley" too, "9th street" as
    "9th st", and "31 watt" as "31 watts", of which "SLOT_POWER +s" is left. A value that means yes, no, none or
    dontcare, and that of `type`, stay as they are said. A token that is there already is not looked for, so that
    doing it twice changes nothing.

    Raises:
        FieldError: no act.

    Example:
        >>> delexicalise("inform(name='red door cafe';price='2 dollars')", "Red Door Cafe's dish costs 2 dollars.")
        "SLOT_NAME 's dish costs SLOT_PRICE ."
    """
    said = words(text)
    wanted = {token: slot for token, slot in slots_of(act).items() if token not in said}
    for token, slot in sorted(wanted.items(), key=lambda each: -len(each[1].value or "")):
        place = place_of(said, words(slot.value or ""), slot.name)
        if place is not None:
            said[place.begin : place.end] = [token, f"+{place.ending}"] if place.ending else [token]
    return " ".join(said)


def fill(act: str | Act, text: str) -> str:
    """A text with the act's values, as the act writes them, in place of their tokens.

        words(fill(act, delexicalise(act, text))) == words(text)

    but for values that the text writes in another way. A token that comes again, or that the act has no value for, is
    left, so that it is seen and counted.

    Raises:
        FieldError: no act.

    Example:
        >>> fill("inform(name='Red Door Cafe')", "SLOT_NAME is in SLOT_AREA")
        'Red Door Cafe is in SLOT_AREA'
    """
    left = slots_of(act)
    said: list[str] = []
    for word in text.split():
        if word in left:
            said.append(left.pop(word).value or "")
        elif word[:1] == "+" and word[1:] in ENDINGS and said and not is_token(said[-1]):
            said[-1] += word[1:]
        else:
            said.append(word)
    return " ".join(said)


def required(act: str | Act) -> tuple[str, ...]:
    """The tokens that a delexicalised sentence must hold, each once, in the act's order.

    Raises:
        FieldError: no act.

    Example:
        >>> required("?compare(name=tecra;memory=4 gb;name=portege;memory=none)")
        ('SLOT_NAME', 'SLOT_MEMORY', 'SLOT_NAME_2')
    """
    return tuple(slots_of(act))


def features(act: str | Act) -> list[str]:
    """What an act says beside its kind and its values, sorted.

    Raises:
        FieldError: no act.

    Example:
        >>> features("inform(type=hotel;name='inn on castro';dogsallowed=true;area)")
        ['area=?', 'dogsallowed=yes', 'name=SLOT_NAME', 'type=hotel']
    """
    act = _parsed(act)
    found = [f"{slot.name}={token}" for token, slot in slots_of(act).items()]
    found += [f"{slot.name}={slot.special or slot.value}" for slot in act.slots if not _is_filled(slot)]
    return sorted(found)


def shape(act: str | Act) -> str:
    """An act without its values, its slots in alphabetical order: equal for acts that differ in values alone.

    Raises:
        FieldError: no act.

    Example:
        >>> shape("inform(name=chow;area;kidsallowed=true)")
        'inform(area=?;kidsallowed=yes;name=SLOT_NAME)'
    """
    return f"{_parsed(act).kind}({';'.join(features(act))})"


def references(acts: Sequence[str], texts: Sequence[str]) -> list[list[str]]:
    """For each act all that is said of acts of its `shape`, filled with its values: different texts, its own first.

    Args:
        acts: of a part.
        texts: one of each act, delexicalised.

    Raises:
        FieldError: no act.

    Example:
        >>> references(["inform(name=chow)", "inform(name=nopa)"], ["try SLOT_NAME", "SLOT_NAME is nice"])
        [['try chow', 'chow is nice'], ['nopa is nice', 'try nopa']]
    """
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    shapes = [shape(act) for act in acts]
    for key, text in zip(shapes, texts, strict=True):
        groups[key][text] = None
    return [
        list(dict.fromkeys(fill(act, text) for text in (own, *groups[key])))
        for act, own, key in zip(acts, texts, shapes, strict=True)
    ]


def is_token(word: str) -> bool:
    """Whether a word of a delexicalised text stands for a value."""
    return TOKEN.fullmatch(word) is not None


def slots_of(act: str | Act) -> dict[str, Slot]:
    """By token, the slot whose value it stands for; in the act's order."""
    found: dict[str, Slot] = {}
    times: Counter[str] = Counter()
    for slot in filter(_is_filled, _parsed(act).slots):
        times[slot.name] += 1
        number = f"_{times[slot.name]}" if times[slot.name] > 1 else ""
        found[f"SLOT_{slot.name.upper()}{number}"] = slot
    return found


def _is_filled(slot: Slot) -> bool:
    return slot.special is None and slot.name not in AS_SAID


def _parsed(act: str | Act) -> Act:
    return act if isinstance(act, Act) else parse(act)
