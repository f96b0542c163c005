"""Signs apart from words, and joined to them again."""

import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool import fields
from unspool.errors import FieldError
from unspool.fields import TextField
from unspool.fields.punctuation import join, split

SPLIT = {
    "Don't! It's well-known.": ["Don't", "!", "It's", "well-known", "."],
    "3.5 to 10,000 at 7:30, he said:": ["3.5", "to", "10,000", "at", "7:30", ",", "he", "said", ":"],
    "wait... what?!": ["wait", "...", "what", "?", "!"],
    'the "best" (ever) one': ["the", '"', "best", '"', "(", "ever", ")", "one"],
    "a-b - c --d -e": ["a-b", "-", "c", "--", "d", "-", "e"],
    "it’s “so” good…": ["it's", '"', "so", '"', "good", "..."],
    "$5, 10% & #1": ["$", "5", ",", "10", "%", "&", "#", "1"],
    "हिन्दी में। 世界、ü": ["हिन्दी", "में", "।", "世界", "、", "ü"],
    " \t\n": [],
    "end.Start": ["end", ".", "Start"],
    "👍👍 ok": ["👍👍", "ok"],
}


@pytest.mark.parametrize("text", SPLIT)
def test_words_and_signs_stand_apart(text: str) -> None:
    assert split(text) == SPLIT[text]


@given(st.text(max_size=40))
def test_nothing_is_lost_but_blanks(text: str) -> None:
    typed = text
    for ours, theirs in (("'", "‘’‚‛´"), ('"', "“”„‟")):
        for sign in theirs:
            typed = typed.replace(sign, ours)
    assert "".join(split(text)) == "".join(typed.replace("…", "...").split())


@given(st.text(max_size=40))
def test_a_token_is_a_word_or_one_kind_of_sign(text: str) -> None:
    for token in split(text):
        signs = [unicodedata.category(character)[0] in "PS" for character in token]
        assert not all(signs) or len(set(token)) == 1
        assert not (signs[0] or signs[-1]) or all(signs)


@pytest.mark.parametrize(
    "text",
    [
        "Well, I don't know (yet): is it 50% or $3.50?",
        'She said, "it\'s good" and "fine," too!',
        "one/two - three -- four...",
        "wait... what?!",
        "#1 & [two] {three}; ¿qué?",
        "",
    ],
)
def test_what_was_split_is_joined_as_it_was(text: str) -> None:
    assert join(split(text)) == text


@given(st.text(max_size=40))
def test_joined_tokens_split_again_into_the_same_characters(text: str) -> None:
    assert "".join(split(join(split(text)))) == "".join(split(text))


def test_a_field_learns_signs_as_words_and_joins_them() -> None:
    field = TextField("words", lowercase=True, split_punctuation=True)
    field.fit(["Yes, it is.", "No."])
    ids = field.encode("Is it? Yes, it is.")
    assert field.decode(ids) == "is it ⁇ yes, it is."
    loaded = fields.load(field.to_json())
    assert torch.equal(loaded.encode("Is it? Yes, it is."), ids)
    assert repr(loaded) == "TextField('words', lowercase=True, split_punctuation=True)"


def test_a_text_is_spelled_as_its_signs_are_joined_again() -> None:
    field = TextField("words", split_punctuation=True)
    assert field.spelled("it’s  fine…") == "it's fine..."
    assert TextField("words").spelled("it’s  fine…") == "it’s fine…"


def test_only_words_have_signs_apart() -> None:
    with pytest.raises(FieldError) as error:
        TextField("characters", split_punctuation=True)
    assert str(error.value) == (
        "`split_punctuation` is for the unit \"words\", but `unit` is 'characters'; leave it out"
    )
