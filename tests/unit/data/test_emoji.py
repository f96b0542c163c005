"""Names of emoji: from a wide table to a row a name, and what is a variant of what."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unspool.data import load, read
from unspool.data.emoji import COLUMNS, base, family
from unspool.errors import DataError

TONES = [chr(code) for code in range(0x1F3FB, 0x1F400)]
JOINER, COLOURED = "\u200d", "\ufe0f"
MALE, FEMALE, RIGHT = (JOINER + sign + COLOURED for sign in "♂♀➡")

FAMILIES = {
    "a colour of skin": ["👍", *("👍" + tone for tone in TONES)],
    "a sign for colours": ["❤", "❤" + COLOURED],
    "women, men and persons at work": [f"{who}{tone}{JOINER}🍳" for who in "🧑👩👨" for tone in ["", *TONES]],
    "signs of women and men": ["🏃", "🏃" + MALE, "🏃🏿" + FEMALE, "🏃" + RIGHT, "🏃🏽" + MALE + RIGHT],
    "women, men and persons": ["🧑", "👩", "👨🏼"],
    "girls, boys and children": ["🧒", "👧🏽", "👦"],
    "the old": ["🧓", "👵", "👴🏻"],
    "people hand in hand": ["👫", "👬🏽", "👭", f"👩🏻{JOINER}🤝{JOINER}👨🏿", f"🧑{JOINER}🤝{JOINER}🧑"],
    "a kiss": [
        "💏",
        "💏🏿",
        f"👩{JOINER}❤{COLOURED}{JOINER}💋{JOINER}👨",
        f"🧑🏻{JOINER}❤{COLOURED}{JOINER}💋{JOINER}🧑🏿",
    ],
    "a couple": ["💑", f"👨🏻{JOINER}❤{COLOURED}{JOINER}👨🏿"],
    "two with bunny ears": ["👯", "👯" + FEMALE, f"👩🏻{JOINER}🐰{JOINER}👩🏿"],
    "wrestlers": ["🤼", "🤼" + MALE, f"👨🏻{JOINER}\U0001faef{JOINER}👨🏿"],
    "two hands": ["🤝", "🤝🏻", f"\U0001faf1🏻{JOINER}\U0001faf2🏿"],
    "families": [f"👨{JOINER}👧", f"👩{JOINER}👦", f"🧑{JOINER}🧒"],
}


BASES = {
    "a colour of skin": FAMILIES["a colour of skin"],
    "a sign for colours": FAMILIES["a sign for colours"],
    "women at work": [f"👩{tone}{JOINER}🍳" for tone in ["", *TONES]],
    "men who run to the right": [f"🏃{tone}{MALE}{RIGHT}" for tone in ["", *TONES]],
    "two women hand in hand": ["👭", "👭🏽", f"👩🏻{JOINER}🤝{JOINER}👩🏿"],
    "a woman and a man": ["👫", "👫🏽", f"👩🏻{JOINER}🤝{JOINER}👨🏿"],
    "two men hand in hand": ["👬", "👬🏽", f"👨🏻{JOINER}🤝{JOINER}👨🏿"],
    "a kiss": ["💏", "💏🏿", f"🧑🏻{JOINER}❤{COLOURED}{JOINER}💋{JOINER}🧑🏿"],
    "women with bunny ears": ["👯" + FEMALE, f"👩🏻{JOINER}🐰{JOINER}👩🏿"],
    "men who wrestle": ["🤼" + MALE, f"👨🏻{JOINER}\U0001faef{JOINER}👨🏿"],
    "two hands": FAMILIES["two hands"],
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_variants_are_of_one_family(kind: str) -> None:
    assert len({family(emoji) for emoji in FAMILIES[kind]}) == 1


@pytest.mark.parametrize("kind", BASES)
def test_colours_have_one_base_and_a_base_one_family(kind: str) -> None:
    assert len({base(emoji) for emoji in BASES[kind]}) == 1
    assert len({family(emoji) for emoji in BASES[kind]}) == 1


def test_women_men_and_persons_have_a_base_each() -> None:
    who = ["🧑🍳", "👩🍳", "👨🍳", "🏃", "🏃" + MALE, "🏃" + FEMALE, "🏃" + RIGHT, "👫", "👬", "👭", "👯", "👯" + MALE]
    assert len({base(emoji) for emoji in who}) == len(who)


def test_different_things_are_of_different_families() -> None:
    firsts = [members[0] for members in FAMILIES.values()]
    others = [
        "👎",
        "💔",
        f"🧑{JOINER}🚒",
        "🚶",
        "🤴",
        "👸",
        "🇩🇪",
        "🇩🇰",
        "1" + COLOURED + "\u20e3",
        "2" + COLOURED + "\u20e3",
    ]
    assert len({family(emoji) for emoji in firsts + others}) == len(firsts + others)


@pytest.mark.parametrize("tone", TONES)
def test_what_is_nothing_but_a_colour_is_its_own_base(tone: str) -> None:
    assert base(tone) == tone
    assert unicodedata.name(tone).startswith("EMOJI MODIFIER")


TABLE = (
    "emoji\tcodepoints\ten\tde\n"
    "🥇\t1F947\tgold medal\tgoldmedaille\n"
    "👍🏽\t1F44D-1F3FD\tthumbs up medium skin tone\t\n"
    "👋\t1F44B\twaving hand\twinkende hand\n"
)


def test_every_name_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "names.tsv").write_text(TABLE)
    table = read(tmp_path / "names.tsv", format="emoji")
    assert table.columns == COLUMNS
    assert [tuple(row.values()) for row in table] == [
        ("🥇", "en", "gold medal", "🥇", "🥇 en", "🥇", "🥇 en", "🥇 en", "0"),
        ("🥇", "de", "goldmedaille", "🥇", "🥇 de", "🥇", "🥇 de", "🥇 de", "0"),
        ("👍🏽", "en", "thumbs up medium skin tone", "👍", "👍 en", "👍", "👍 en", "👍🏽 en", "1"),
        ("👋", "en", "waving hand", "👋", "👋 en", "👋", "👋 en", "👋 en", "0"),
        ("👋", "de", "winkende hand", "👋", "👋 de", "👋", "👋 de", "👋 de", "0"),
    ]


def test_rows_are_taken_by_columns_that_are_made(tmp_path: Path) -> None:
    (tmp_path / "names.tsv").write_text(TABLE)
    found = load(
        path=tmp_path / "names.tsv",
        format="emoji",
        columns={"concept": "emoji", "language": "language", "text": "name"},
        rows={"all": {"tones": 0, "language": ["en", "fr"]}},
    )
    assert [tuple(row.values()) for row in found["train"]] == [("🥇", "en", "gold medal"), ("👋", "en", "waving hand")]


@pytest.mark.parametrize(("by", "shared"), [("pair", base), ("family_pair", family), ("emoji_pair", str)])
def test_no_variant_in_a_language_tells_another_s_name(tmp_path: Path, by: str, shared: Callable[[str], str]) -> None:
    lines = ["emoji\ten\tde\tja"]
    for person in ["🧑", "👩", "👨"]:
        lines += [
            f"{person}{tone}{JOINER}{job}\ta\tb\tc" for tone in ["", *TONES] for job in "🍳🚒🌾🎓🎤🏫🏭💻💼🔧🔬🚀"
        ]
    (tmp_path / "names.tsv").write_text("\n".join(lines))
    parts = load(path=tmp_path / "names.tsv", format="emoji", split={"by": by, "valid": 0.1, "test": 0.2})
    pairs = {part: set(table.column(by)) for part, table in parts.items()}
    assert not pairs["train"] & pairs["test"]
    known = {(shared(row["emoji"]), row["language"]) for row in parts["train"]}
    asked = {(shared(row["emoji"]), row["language"]) for row in parts["test"]}
    assert asked
    assert not known & asked
    assert {row["base"] for row in parts["test"]} & {row["base"] for row in parts["train"]}


MISTAKES: dict[str, tuple[str, str]] = {
    "no emoji": (
        "emojis\ten\n🥇\tgold medal\n",
        "`emoji` must be a column of `{file}`, line 1; there are emojis, en (nearest: `emojis`)",
    ),
    "no language": (
        "emoji\tcodepoints\n🥇\t1F947\n",
        "`{file}`, line 1: there must be a column a language, as `en`, but there is emoji, codepoints",
    ),
    "an empty emoji": (
        "emoji\ten\n\tgold medal\n",
        "`{file}`: every row must have an emoji, but one has none: , gold medal",
    ),
    "a short row": (
        "emoji\ten\n🥇\tgold medal\n🥈\n",
        "`{file}`, line 3: a row must have a value for each of the 2 columns emoji, en, but has 1",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, case: str) -> None:
    content, message = MISTAKES[case]
    (tmp_path / "names.tsv").write_text(content)
    with pytest.raises(DataError) as error:
        read(tmp_path / "names.tsv", format="emoji")
    assert str(error.value) == message.format(file=tmp_path / "names.tsv")


def test_a_column_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "names.tsv").write_text(TABLE)
    options: dict[str, Any] = {"path": tmp_path / "names.tsv", "format": "emoji", "columns": ["emoji", "nam"]}
    with pytest.raises(DataError) as error:
        load(**options)
    assert str(error.value) == (
        f"`nam` is no column of `{tmp_path}/names.tsv`; there are emoji, language, name, base, pair, family, "
        "family_pair, emoji_pair, tones (nearest: `name`)"
    )
