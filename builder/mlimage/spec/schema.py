"""The JSON Schema of `mlimage.yaml`, with which editors complete it and say what is wrong.

`python -m mlimage.spec.schema FOLDER` writes it and the reference `spec.md` into a folder.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from mlimage.atomic import write_atomically
from mlimage.spec.model import ImageSpec

SCHEMA_FILE: Final = "mlimage.schema.json"
REFERENCE_FILE: Final = "spec.md"


def json_schema() -> dict[str, Any]:
    """The schema as JSON Schema 2020-12 (which is pydantic's dialect), in the order of the model."""
    schema = _tidy(ImageSpec.model_json_schema(by_alias=True))
    schema["anyOf"] = [{"required": ["train"]}, {"required": ["serve"]}]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mlimage:spec:1",
        "title": "mlimage.yaml",
    }
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}


def schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(schema: Any) -> Any:
    """Without `null` (a key is left out, never empty) and titles that repeat the key."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _tidy(value) for key, value in schema.items() if key != "discriminator"}
    choices = [one for one in kept.get("anyOf", []) if one != {"type": "null"}]
    if len(choices) < len(kept.get("anyOf", [])):
        kept.pop("anyOf")
        kept.pop("default", None)
        kept = {**(choices[0] if len(choices) == 1 else {"anyOf": choices}), **kept}
    if isinstance(kept.get("title"), str) and "properties" not in kept:
        kept.pop("title")
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return kept


def write(folder: Path) -> None:
    """Write the schema and the reference; `make generate` does it for `docs`."""
    from mlimage.spec.reference import reference

    write_atomically(folder / SCHEMA_FILE, schema_text().encode())
    write_atomically(folder / REFERENCE_FILE, reference(json_schema()).encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
