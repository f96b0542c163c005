"""Descriptions, each with a line that sums it up: of Debian's packages and of Ansible's modules."""

from __future__ import annotations

import lzma
import re
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from unspool.data.fetching import Package, download, wheel
from unspool.data.parts import PARTS, Split
from unspool.data.sources import rows_stream
from unspool.data.tables import Stream

COLUMNS = ("text", "summary")
LEAST_WORDS = 15  # of a text that there is something to sum up of

# Of Debian 12.15, of July 2026. An old stable release does not change any more.
DEBIAN = "https://deb.debian.org/debian/dists/bookworm/main/i18n/Translation-en.xz"
DEBIAN_SHA256 = "a3d4a0bfd8e9242810b0885eda7c1a6e05dac15b333ddbaab03ba56f2dfa4bf0"
ANSIBLE = Package("ansible", "12.3.0", "cd156f82fa87f7a899212b0efa9f7ca3a24d609212de9f78428a572eb01e5414")

_SPLIT = Split(by="stem", valid=0.05, test=0.05)
_KINDS = ["python3", "python", "golang", "github", "com", "node", "ruby", "r", "cran", "bioc", "php", "elpa", "fonts"]
_KINDS += ["libghc", "librust", "libjs", "libkf5"]
_DOCUMENTATION = re.compile(r"^DOCUMENTATION\s*=\s*r?(\"\"\"|''')(.*?)\1", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"\b[A-Z]\(([^(),]*)(?:,[^()]*)?\)")  # as in M(name), L(text, address)
_MODULE = re.compile(r"/plugins/.*\.py$")


def debian() -> dict[str, Stream]:
    """Descriptions of Debian's packages, and their synopses, in train, valid and test: columns text, summary.

    Line ends are those of paragraphs and items. Packages of one stem, as libfoo-dev and python3-foo, are in one part.
    Texts of fewer than 15 words, and those that another package had before, are left out.
    """
    file = download(DEBIAN, DEBIAN_SHA256)
    identity = ["debian", DEBIAN_SHA256]
    return {
        part: rows_stream([*identity, part], partial(_packages, file, part), COLUMNS, f"`debian` ({part})")
        for part in PARTS
    }


def _packages(file: Path, part: str) -> Iterator[tuple[str, str]]:
    seen = set()
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        for name, summary, text in _stanzas(lines):
            if text not in seen and _is_long(text):
                seen.add(text)
                if _SPLIT.part(_stem(name)) == part:
                    yield text, summary


def _stanzas(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Name, synopsis and text of each package. The text's own lines begin with a blank, items with two or more."""
    name, summary, text = "", "", [""]
    item = False
    for line in (*lines, ""):
        if line.startswith("Package: "):
            name = line.split()[1]
        elif line.startswith("Description-en: "):
            summary = " ".join(line.split()[1:])
        elif line.startswith(" "):
            began, item, words = item, line.startswith("  "), " ".join(line.split())
            if item or began or words == ".":
                text.append("")
            if words != ".":
                text[-1] = f"{text[-1]} {words}".strip()
        elif not line.strip():
            if name:
                yield name, summary, "\n".join(filter(None, text))
            name, summary, text = "", "", [""]
            item = False


def _stem(name: str) -> str:
    """What packages of one source mostly have in common: the first word of the name that is no kind of package."""
    words = [word for word in re.split(r"[-.+]", name) if word not in _KINDS] or [name]
    return words[0].removeprefix("lib").strip("0123456789") or words[0]


def ansible() -> dict[str, Stream]:
    """Descriptions of Ansible's modules and their short descriptions, from the package's wheel: columns text, summary.

    Texts of fewer than 15 words are left out, and those that several modules share with different summaries. Much was
    written by programs: modules of one maker read alike, so that figures are better than on texts that people write.
    """
    file = wheel(ANSIBLE)
    return {"train": rows_stream(["ansible", ANSIBLE.sha256], partial(_modules, file), COLUMNS, "`ansible`")}


def _modules(file: Path) -> Iterator[tuple[str, str]]:
    found: dict[str, set[str]] = {}
    with zipfile.ZipFile(file) as package:
        for name in sorted(filter(_MODULE.search, package.namelist())):
            for _, document in _DOCUMENTATION.findall(package.read(name).decode()):
                about = _mapping(document)
                text, summary = (_plain(about.get(key)) for key in ("description", "short_description"))
                if summary and _is_long(text):
                    found.setdefault(text, set()).add(summary.removesuffix("."))
    for text, summaries in found.items():
        if len(summaries) == 1:
            yield text, summaries.pop()


def _mapping(document: str) -> dict[str, Any]:
    """What YAML says; nothing, where it is broken."""
    try:
        found = yaml.load(document, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> str:
    """A text, or paragraphs, without marks and as one line."""
    paragraphs = value if isinstance(value, list) else [value or ""]
    return " ".join(_MARK.sub(r"\1", " ".join(str(each).split())) for each in paragraphs)


def _is_long(text: str) -> bool:
    return len(text.split()) >= LEAST_WORDS
