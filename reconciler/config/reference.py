"""docs/deploy-yaml.md, made from the JSON schema."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import yaml

from reconciler.config import fields
from reconciler.config.show import Dumper

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
