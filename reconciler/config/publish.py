"""The JSON schema by which editors complete and check deploy.yaml, and the files made from it.

`python -m reconciler.config.publish` writes deploy.schema.json, and docs/deploy-yaml.md where there is a docs folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from reconciler.config import fields
from reconciler.config.reference import reference
from reconciler.config.schema import Deploy

SCHEMA = Path(__file__).with_name("deploy.schema.json")
REFERENCE = Path(__file__).parents[2] / "docs" / "deploy-yaml.md"

_ENV = r"\$\{"  # a text with ${...} in it may become anything


class _InOrder(GenerateJsonSchema):
    """Pydantic's generator, which leaves keys in the order of the models and their examples."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of deploy.yaml as it is written, so with ${...} wherever a value may be."""
    schema: dict[str, Any] = Deploy.model_json_schema(schema_generator=_InOrder)
    for at, model in fields.sections().items():
        section = schema["$defs"][model.__name__] if at else schema
        for name, field in model.model_fields.items():
            _bound(section["properties"][name], field)
    overlays = schema["properties"][fields.OVERLAYS]["patternProperties"]
    inside = {name: subschema for name, subschema in schema["properties"].items() if name != fields.OVERLAYS}
    for pattern in overlays:
        overlays[pattern] = {"type": ["object", "null"], "properties": inside, "additionalProperties": False}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "deploy.yaml"}
    return head | {k: v for k, v in _open(schema).items() if k != "title"}


def _bound(schema: dict[str, Any], field: FieldInfo) -> None:
    """Add a field's bounds, which pydantic leaves out where null is allowed too."""
    bounds = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
    for subschema in schema.get("anyOf", [schema]):
        if subschema.get("type") in ("integer", "number"):
            for rule in field.metadata:
                subschema.update({key: getattr(rule, name) for name, key in bounds.items() if hasattr(rule, name)})


def _open(schema: Any) -> Any:
    """`schema` without generated titles, and with ${...} allowed for every scalar value."""
    if isinstance(schema, list):
        return [_open(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    open_schema: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("default", "examples", "enum", "propertyNames", "required"):
            open_schema[key] = value
        elif key in ("properties", "$defs"):
            open_schema[key] = {name: _open(inner) for name, inner in value.items()}
        elif key != "title":
            open_schema[key] = _open(value)
    if "patternProperties" in open_schema:
        # Pydantic's way to say what keys must be like; by itself it would let all others pass.
        open_schema["additionalProperties"] = False
    return _with_variables(open_schema)


def _with_variables(schema: dict[str, Any]) -> dict[str, Any]:
    if "pattern" in schema:
        schema["pattern"] += f"|{_ENV}"
        return schema
    if schema.get("type") not in ("integer", "boolean", "number") and "enum" not in schema and "const" not in schema:
        return schema
    about = {k: v for k, v in schema.items() if k in ("description", "default", "examples")}
    rule = {k: v for k, v in schema.items() if k not in about}
    return {"anyOf": [rule, {"type": "string", "pattern": _ENV}]} | about


def schema_text() -> str:
    """What deploy.schema.json holds."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    if REFERENCE.parent.is_dir():
        REFERENCE.write_text(reference(json_schema()), encoding="utf-8")


if __name__ == "__main__":
    main()
