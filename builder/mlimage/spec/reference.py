"""The reference of `mlimage.yaml` as Markdown, from its JSON Schema alone."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from mlimage.spec.scalars import meaning

_INTRODUCTION: Final = """\
<!-- Made by `make generate` from builder/mlimage/spec/model.py; do not edit. -->

# mlimage.yaml

One file, `images/NAME/mlimage.yaml`, says all that an image needs. The smallest that trains and serves:

```yaml
name: my-model
python: "3.11"
base: {debian: bookworm}
dependencies: [numpy]
train: {command: python train.py}
serve: {command: python serve.py}
```

It is YAML, read strictly: unknown keys, keys that stand twice, keys without a value and values of another
kind are errors, all shown together with their line and column. Nothing is converted: where text is meant and
YAML sees a number (`3.10`), a boolean (`no`) or a date (`2024-01-01`), put it in quotes. Anchors and aliases
work; merge keys (`<<`) and tags do not.

A requirements file has one PEP 508 requirement in a line, comments, and `-r OTHER` for more files in the
image's folder. Options of pip's (`--index-url`, `--hash`, `-e`, …) are refused, each with what to do instead.

Where indexes are, and where their logins come from, is told in [indexes.md](indexes.md).

What `run:` and `dockerfile:` do to an image is told in [dockerfiles.md](dockerfiles.md).

Editors complete and check the file with [the schema](mlimage.schema.json): `mlimage schema` prints it.
"""

_KEYS: Final = "keys, as below"


def reference(schema: dict[str, Any]) -> str:
    """The whole page.

    Args:
        schema: what `schema.json_schema` gives.
    """
    blocks = [_INTRODUCTION, *_keys(schema, schema, prefix="", level=2)]
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks)


def _keys(part: dict[str, Any], schema: dict[str, Any], *, prefix: str, level: int) -> Iterator[str]:
    for key, written in part["properties"].items():
        value = _resolved(written, schema)
        required = key in part.get("required", [])
        yield _key(f"{prefix}{key}", key, value, schema, required=required, level=level)
        for name, below in _below(value, schema):
            yield from _keys(below, schema, prefix=f"{prefix}{key}{name}.", level=level + 1)


def _key(
    path: str, key: str, value: dict[str, Any], schema: dict[str, Any], *, required: bool, level: int
) -> str:
    lines = [f"{'#' * level} `{path}`", "", value["description"], ""]
    facts = [_type(value, schema)]
    if required:
        facts.append("required")
    elif "default" in value:
        facts.append(f"default `{json.dumps(value['default'])}`")
    lines.append("; ".join(facts)[0].upper() + "; ".join(facts)[1:] + ".")
    examples = [f"{key}: {flow(example)}" for example in value.get("examples", [])]
    if examples:
        lines += ["", "```yaml", *examples, "```"]
    return "\n".join(lines) + "\n"


def _resolved(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The value with what its `$ref` leads to; what stands beside the reference wins."""
    if "$ref" not in value:
        return value
    return {**schema["$defs"][value["$ref"].rpartition("/")[2]], **value}


def _below(value: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The mappings with keys of their own that a value may be, each with what stands between the names."""
    if "properties" in value:
        yield "", value
    for choice in value.get("oneOf", []):
        yield "", _resolved(choice, schema)
    for choice in value.get("items", {}).get("anyOf", []):
        below = _resolved(choice, schema)
        if "properties" in below:
            yield "[]", below
    kinds = (value, *value.get("anyOf", []))
    for named in (one for kind in kinds for one in kind.get("patternProperties", {}).values()):
        below = _resolved(named, schema)
        if "properties" in below:
            yield ".NAME", below


def _type(value: dict[str, Any], schema: dict[str, Any]) -> str:
    if "enum" in value:
        return "one of " + ", ".join(f"`{one}`" for one in value["enum"])
    value = _resolved(value, schema)
    if "anyOf" in value:
        return " or ".join(_type(choice, schema) for choice in value["anyOf"])
    if "oneOf" in value or ("properties" in value and "patternProperties" not in value):
        return _KEYS
    if "patternProperties" in value:
        below = _resolved(next(iter(value["patternProperties"].values())), schema)
        if "patternProperties" in below:
            return f"names, each with {_type(below, schema)}"
        return "names, each with keys as below" if "properties" in below else "names, each with a text"
    match value["type"]:
        case "array":
            kind = _type(value["items"], schema)
            if kind == _KEYS:
                return "list, each with keys as below"
            return f"list, each {kind}" if {"anyOf", "enum"} & value["items"].keys() else f"list of {kind}s"
        case "integer" if "minimum" in value and "maximum" in value:
            return f"whole number from {value['minimum']} to {value['maximum']}"
        case "integer":
            return "whole number"
        case "boolean":
            return "`true` or `false`"
        case _:
            return "text"


def flow(value: object) -> str:
    """A value as YAML in one line, with no more quotes than needed."""
    match value:
        case str():
            return value if _needs_no_quotes(value) else json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case _:
            return json.dumps(value)


def _needs_no_quotes(text: str) -> bool:
    plain = re.fullmatch(r"[A-Za-z0-9/](?:[A-Za-z0-9 ._/=<>~+:-]*[A-Za-z0-9_/])?", text)
    return bool(plain) and ": " not in text and isinstance(meaning(text), str)
