"""Descriptions of packages and modules, read from files of the form they have where they are fetched from."""

import lzma
import zipfile
from pathlib import Path

import pytest

from unspool.data import descriptions, load
from unspool.data.descriptions import DEBIAN, DEBIAN_SHA256

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
STANZAS = f"""\
Package: first
Description-md5: 26581e685027d5ae84824362a4ba59ee
Description-en: a  summary: of it
 {" ".join(LONG.split()[:7])}
 {" ".join(LONG.split()[7:])}
 .
 A ‘second’ paragraph,  with items:
  * an item
  - another
 and the end.

Package: second
Description-en: too short a text
 One two three.

Package: third
Description-en: the first has this text
 {LONG}

Package: fourth
Description-en: and here it is again
 {LONG}
"""
TEXTS = [
    f"{LONG}\nA ‘second’ paragraph, with items:\n* an item\n- another\nand the end.",
    LONG,
]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "Translation-en.xz"
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(descriptions, "download", lambda *pinned: asked.append(pinned) or file)  # type: ignore[func-returns-value]

    def written(text: str) -> None:
        file.write_bytes(lzma.compress(text.encode()))

    written(STANZAS)
    yield written  # type: ignore[misc]
    assert set(asked) == {(DEBIAN, DEBIAN_SHA256)}


def test_a_text_keeps_its_paragraphs_and_items_and_comes_once(archive: Path) -> None:
    rows = [row for part in ("train", "valid", "test") for row in descriptions.debian()[part].batches()]
    found = {row["text"]: row["summary"] for batch in rows for row in batch.to_pylist()}
    assert found == {TEXTS[0]: "a summary: of it", TEXTS[1]: "the first has this text"}


def test_packages_of_one_stem_are_in_one_part(archive: object) -> None:
    kinds = ["lib{}-dev", "python3-{}", "{}", "{}2-doc", "golang-github-{}-client", "node-{}", "lib{}1.0"]
    stems = [f"{a}{b}{a}" for a in "bdfgkmpstvz" for b in "aeiouy"]
    names = [(kind.format(stem), stem) for stem in stems for kind in kinds]
    archive(  # type: ignore[operator]
        "\n".join(f"Package: {name}\nDescription-en: {stem}\n {LONG} {name}\n" for name, stem in names)
    )
    tables = load(source="debian")
    assert sum(map(len, tables.values())) == len(names)
    parts = [set(table.column("summary")) for table in tables.values()]
    assert list(tables) == ["train", "valid", "test"]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(stems)
    assert len(parts[0]) > 0.8 * len(stems)


MODULE = '''\
DOCUMENTATION = r"""
short_description: {summary}
description:
  - Uses M(community.general.ufw), C(one) and the L(docs,https://example.org/a).
  - one two three four five six seven eight nine
    {last}
"""
'''


def test_modules_are_read_from_their_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "a/plugins/modules/one.py": MODULE.format(summary="Manages C(one).", last="ten"),
        "a/plugins/modules/two.py": MODULE.format(summary="one summary", last="of two"),
        "a/plugins/modules/three.py": MODULE.format(summary="another summary", last="of two"),
        "a/plugins/modules/broken.py": 'DOCUMENTATION = """\na: [\n"""',
        "a/plugins/modules/short.py": "DOCUMENTATION = '''\nshort_description: a\ndescription: Too short.\n'''",
        "a/plugins/modules/none.py": "import os",
        "a/plugins/modules/list.py": 'DOCUMENTATION = """\n- a\n"""',
        "a/tests/one.py": MODULE.format(summary="not a module", last="eleven"),
    }
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as package:
        for name, text in files.items():
            package.writestr(name, text)
    monkeypatch.setattr(descriptions, "wheel", lambda package: tmp_path / "package.whl")
    (batch,) = descriptions.ansible()["train"].batches()
    text = "Uses community.general.ufw, one and the docs. one two three four five six seven eight nine ten"
    assert batch.to_pylist() == [{"text": text, "summary": "Manages one"}]
