"""YAML, with the line that each key came from.

Values are read as YAML 1.2 does, and so as most people expect: `no` and `on` are text, `1e-3` is a number, `1:30` and
dates are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from unspool.errors import RecipeError

Path = tuple[str | int, ...]
"""A key's place: the keys from the top down to it."""

CORE = "tag:yaml.org,2002:"
SCALARS = {
    f"{CORE}null": (r"~|null|Null|NULL|", "~nN\0"),
    f"{CORE}bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    f"{CORE}int": (r"[-+]?[0-9]+", "-+0123456789"),
    f"{CORE}float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""How a bare word is read: its tag, by a pattern and the letters it can begin with (YAML 1.2, core schema)."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, (_pattern, _first) in SCALARS.items():
    for _class in (_Loader, _Dumper):
        _letters = ["" if letter == "\0" else letter for letter in _first]
        _class.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _letters)


@dataclass
class Document:
    """What was read. name: the file's, or what else it came from. origins: by a key's path, where it came from."""

    data: Any
    name: str
    origins: dict[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> str:
        """Where a key came from, or what it would be in: "`my.yaml`, line 3"."""
        for end in range(len(path), 0, -1):
            if found := self.origins.get(path[:end]):
                return found
        return self.name


def read(text: str, name: str) -> Document:
    """YAML text as plain values, and the line of each key.

    Args:
        text: the YAML.
        name: what messages call it.

    Raises:
        RecipeError: no YAML, a key given twice, or a key that is no text.

    Example:
        >>> document = read("train:\\n  clip: 1e-1", "`my.yaml`")
        >>> document.data, document.origin(("train", "clip"))
        ({'train': {'clip': 0.1}}, '`my.yaml`, line 2')
    """
    document = Document(None, name)
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            document.data = _plain(node, (), document, ())
    except yaml.YAMLError as error:
        raise RecipeError(_explained(error, name)) from error
    return document


def _plain(node: yaml.Node, path: Path, document: Document, above: tuple[int, ...]) -> Any:
    """A node as plain values; `above` are the nodes it is in, so that an alias of itself has an end."""
    where = f"{document.name}, line {node.start_mark.line + 1}"
    if id(node) in above:
        raise RecipeError(f"{where}: `{'.'.join(map(str, path))}` is an alias of what it is in; write it out")
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, above)
    if isinstance(node, yaml.SequenceNode):
        values = []
        for index, item in enumerate(node.value):
            document.origins[(*path, index)] = f"{document.name}, line {item.start_mark.line + 1}"
            values.append(_plain(item, (*path, index), document, above))
        return values
    return _scalar(node, f"{where}: `{'.'.join(map(str, path))}`")


def _scalar(node: yaml.Node, subject: str) -> str | int | float | bool | None:
    tag, word = str(node.tag), str(node.value)
    if tag == f"{CORE}str":
        return word
    if tag not in SCALARS:
        raise RecipeError(f"{subject} must be plain YAML, but has the tag {tag}")
    if not re.fullmatch(SCALARS[tag][0], word):
        raise RecipeError(f"{subject} must be what its tag {tag} says, but is {word!r}")
    if tag == f"{CORE}null":
        return None
    if tag == f"{CORE}bool":
        return word.lower() == "true"
    return int(word) if tag == f"{CORE}int" else float(re.sub(r"\.(inf|nan)", r"\1", word.lower()))


def _mapping(node: yaml.MappingNode, path: Path, document: Document, above: tuple[int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        where = f"{document.name}, line {key_node.start_mark.line + 1}"
        key = _plain(key_node, path, document, above)
        if not isinstance(key, str):
            raise RecipeError(f"{where}: a key must be text, but is {key!r}; put it in quotes")
        dotted = ".".join(map(str, (*path, key)))
        if key in found:
            first = document.origins[(*path, key)].rpartition(", ")[2]
            raise RecipeError(f"{where}: `{dotted}` must be given once, but is in {first} as well")
        document.origins[(*path, key)] = where
        found[key] = _plain(value_node, (*path, key), document, above)
    return found


def _explained(error: yaml.YAMLError, name: str) -> str:
    """A YAML mistake in one line."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    return f"{where}: must be YAML, but is not: {problem}{f' {context}' if context else ''}"


def written(data: Any) -> str:
    """Plain values as YAML that `read` gives back."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
