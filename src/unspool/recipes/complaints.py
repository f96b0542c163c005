"""What pydantic found wrong with a recipe, said in the recipe's own terms."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from unspool.errors import RecipeError
from unspool.nearest import did_you_mean, nearest
from unspool.recipes.reading import Document, Path

Schema = dict[str, Any]
"""A part of a JSON schema."""

MOST = 10
"""Mistakes listed at once; the rest is likely to follow from them."""


def complaint(error: ValidationError, document: Document, schema: Schema) -> RecipeError:
    """One error for all mistakes: where each is, the key with its dotted path, what is allowed, what came."""
    lines = [_line(each, document, schema) for each in error.errors(include_url=False)]
    if len(lines) == 1:
        return RecipeError(lines[0])
    more = [f"and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return RecipeError("\n  ".join([f"{document.name} has {len(lines)} mistakes:", *lines[:MOST], *more]))


def _line(error: ErrorDetails, document: Document, schema: Schema) -> str:
    path, node = _walk(error["loc"], schema)
    context = error.get("ctx", {})
    if "at" in context:
        path = tuple(context["at"].split("."))
    if error["type"] == "union_tag_not_found":
        path, problem = (*path, "kind"), _unknown_kind(error["input"], node, schema)
    elif error["type"] in ("value_error", "mistake"):
        cause = context.get("error", context.get("problem"))
        problem = f": {cause}" if isinstance(cause, RecipeError) else f" {cause}"
    elif error["type"] == "extra_forbidden":
        problem = _unknown_key(path, document, schema, error["loc"])
    elif error["type"] == "missing":
        problem = f" is missing: {_sentence(node.get('description') or allowed(node, schema))}"
    else:
        problem = f" must be {allowed(node, schema)}, but is {_shown(error['input'])}"
        if isinstance(error["input"], str) and (near := nearest(error["input"], _choices(node))):
            problem += f"; did you mean `{near}`?"
    subject = ".".join(map(str, path)) or "recipe"
    return f"{document.origin(path)}: `{subject}`{problem}"


def _walk(loc: tuple[str | int, ...], schema: Schema) -> tuple[Path, Schema]:
    """An error's place as keys of the recipe, without the names of the sections that pydantic tried, and its schema."""
    path: list[str | int] = []
    node = schema
    for part in loc:
        if part in schema["$defs"] and part not in _properties(node, schema):
            node = schema["$defs"][part]
            continue
        path.append(part)
        node = _properties(node, schema).get(str(part)) or _entry(node, schema)
    return tuple(path), node


def _variants(node: Schema, schema: Schema) -> list[Schema]:
    """A schema's alternatives, references followed."""
    found = []
    for each in node.get("anyOf") or node.get("oneOf") or [node]:
        target = schema["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        found += [target] if target is node else _variants(target, schema)
    return found


def _properties(node: Schema, schema: Schema) -> Schema:
    return {key: value for each in _variants(node, schema) for key, value in each.get("properties", {}).items()}


def _entry(node: Schema, schema: Schema) -> Schema:
    """The schema of an entry of a mapping or a list."""
    for each in _variants(node, schema):
        for key in ("additionalProperties", "items"):
            if isinstance(each.get(key), dict):
                return dict(each[key])
        if prefix := each.get("prefixItems"):
            return dict(prefix[0])
    return {}


def _unknown_key(path: Path, document: Document, schema: Schema, loc: tuple[str | int, ...]) -> str:
    section, node = _walk(loc[:-1], schema)
    dotted = "".join(f"{each}." for each in section)
    holder = document.data
    for key in section:
        holder = holder[key]
    kind = holder.get("kind") if isinstance(holder, dict) else None
    within = f" where `{dotted}kind` is {kind}" if kind else ""
    return f" is no key{within}{did_you_mean(str(path[-1]), _properties(node, schema), dotted)}"


def _unknown_kind(given: Any, node: Schema, schema: Schema) -> str:
    kinds = [each["properties"]["kind"].get("const") for each in _variants(node, schema)]
    known = [kind for kind in kinds if kind]
    kind = given.get("kind") if isinstance(given, dict) else given
    names = ", ".join(f"`{each}`" for each in known)
    near = nearest(kind, known) if isinstance(kind, str) else None
    hint = f"; did you mean `{near}`?" if near else ""
    return f" must be {names} or an import path `module:name`, but is {_shown(kind)}{hint}"


def _choices(node: Schema) -> list[str]:
    return [str(each) for each in node.get("enum", [])] + [
        choice for inner in node.get("anyOf", []) for choice in _choices(inner)
    ]


NAMES = {"string": "text", "boolean": "true or false", "null": "null"}


def allowed(node: Schema, schema: Schema) -> str:
    """What a key takes, in words: "a whole number of at least 1, or null".

    Example:
        >>> allowed({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, {})
        'a whole number of at least 1, or null'
    """
    if alternatives := node.get("anyOf"):
        words = [allowed(each, schema) for each in alternatives]
        return (", or " if " " in words[0] else " or ").join([", ".join(words[:-1]), words[-1]])
    if "enum" in node:
        return "one of " + ", ".join(f"`{each}`" for each in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("type") in ("integer", "number"):
        return _number(node)
    if node.get("type") == "array":
        return _list(node, schema)
    if "$ref" in node or "oneOf" in node or node.get("type") == "object":
        return "keys with values, at least one" if node.get("minProperties") else "keys with values"
    return NAMES.get(node.get("type", ""), "something else")


def _number(node: Schema) -> str:
    kind = "a whole number" if node["type"] == "integer" else "a number"
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    end = f"to {high}" if high is not None else f"to below {below}" if below is not None else ""
    if above is not None:
        return f"{kind} above {above:g}{f', up {end}' if end else ''}"
    if low is None:
        return kind
    return f"{kind} from {low:g} {end}" if end else f"{kind} of at least {low:g}"


def _list(node: Schema, schema: Schema) -> str:
    if prefix := node.get("prefixItems"):
        return f"a list of {len(prefix)}, each {allowed(prefix[0], schema)}"
    return f"a list, each {allowed(node['items'], schema)}" if node.get("items") else "a list"


def _shown(value: Any) -> str:
    """A value as YAML would have it, short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "keys with values" if value else "empty"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _sentence(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".").replace("\n", " ")
