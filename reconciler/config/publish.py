"""The JSON schema by which editors complete and check deploy.yaml, and the files made from it.

`python -m reconciler.config.publish` writes deploy.schema.json, and docs/deploy-yaml.md where there is a docs folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from reconciler.config import fields
from reconciler.config.schema import Deploy
from reconciler.config.show import Dumper

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


_INTRO = """\
# deploy.yaml

<!-- Made by `python -m reconciler.config.publish`. Change the descriptions in reconciler/config/, not here. -->

One file describes one training pipeline in AWS. This is enough; everything else has a default:

```yaml
name: my-pipeline
data: data/prices.csv
image: .
```

`python -m reconciler show deploy.yaml` prints a file with every default filled in. `python -m reconciler init` writes
the file's JSON schema beside it, as `deploy.schema.json` (delete it and run `init` again for that of a newer version).
With this first line, editors that know the YAML language server (VS Code with the YAML extension, JetBrains) complete
and check the file:

```yaml
# yaml-language-server: $schema=deploy.schema.json
```

## Values from the environment

| Written | Becomes |
|---|---|
| `${NAME}` | The environment variable NAME; an error if it is not defined. |
| `${NAME:-default}` | The same, or `default` if it is not defined or empty. |
| `${git.sha}` | The full hash of the commit, with `-dirty` behind it when files differ from it. |
| `${git.sha:-default}` | The same, or `default` where there is no commit. |
| `$${` | A literal `${`. |

Nothing else is templated. This happens in values, after the YAML is read, so a variable can't change the structure of
the file; inside `[ ]` and `{ }`, YAML wants it in quotes. An unquoted value that becomes empty counts as not given.

Environment variables, build arguments, tags and the words of a command keep numbers and booleans as they are written:
`VERSION: 1.10` gives the program the text `1.10`. Names must be text: a number or `no` as a name wants quotes.

Paths are relative to the folder of deploy.yaml.

## Fields
"""

_WORDS = {"integer": "number", "number": "number", "boolean": "`true` or `false`", "null": "null"}


def reference(schema: dict[str, Any]) -> str:
    """The reference as Markdown. `schema` is the published JSON schema."""
    return _INTRO + "".join(_section(schema, at) for at in fields.sections())


def _section(schema: dict[str, Any], at: fields.Pattern) -> str:
    model = fields.sections()[at]
    name = ".".join(at).replace(f".{fields.ITEM}", fields.ITEM)
    section = schema["$defs"][model.__name__] if at else schema
    doc = cleandoc(model.__doc__ or "")
    rows = "".join(
        _row(schema, key, inner, key in section.get("required", ())) for key, inner in section["properties"].items()
    )
    head = f"\n### {'`' + name + '`' if name else 'The whole file'}\n\n{doc}\n\n"
    return f"{head}| Key | Type | Default | Meaning | Example |\n|---|---|---|---|---|\n{rows}"


def _row(schema: dict[str, Any], key: str, field: dict[str, Any], required: bool) -> str:
    types = list(dict.fromkeys(_types(schema, field)))
    kind = ", ".join(t for t in types if t != "null")
    meaning, follows, default = field["description"].partition(" Default: ")
    if not follows:
        default = "**required**." if required else _default(field.get("default"))
    cells = (f"`{key}`", kind, default.removesuffix("."), meaning, _code(field["examples"][0]))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(value: Any) -> str:
    # A section's default is the sum of its fields' defaults, which its own table gives.
    return "" if isinstance(value, dict) and value else _code(value)


def _code(value: Any) -> str:
    """A value as one would write it into the file, on one line."""
    text: str = yaml.dump(
        [value], Dumper=Dumper, default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**31
    )
    return f"`{text.strip()[1:-1]}`"


def _types(schema: dict[str, Any], field: dict[str, Any]) -> Iterator[str]:
    """The types that a field may have, in words; texts with ${...} may stand anywhere and aren't named."""
    if "$ref" in field:
        yield "section"
    elif "anyOf" in field:
        for option in field["anyOf"]:
            if option != {"type": "string", "pattern": r"\$\{"}:
                yield from _types(schema, option)
    elif "const" in field or ("enum" in field and field.get("type") == "string"):
        yield " or ".join(f"`{v}`" for v in field.get("enum", [field.get("const")]))
    elif field.get("type") == "array":
        inner = " or ".join(dict.fromkeys(_types(schema, field["items"])))
        yield f"list of {inner}"
    elif field.get("type") == "object":
        yield "mapping"
    else:
        yield _WORDS.get(str(field.get("type")), "text")


def main() -> None:
    """Write the files."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    if REFERENCE.parent.is_dir():
        REFERENCE.write_text(reference(json_schema()), encoding="utf-8")


if __name__ == "__main__":
    main()
