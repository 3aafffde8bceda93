"""What is made from the command line and its types: the JSON schemas, and docs/commands.md and docs/json.md.

python -m reconciler.cli.publish
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.cli import json_formats
from reconciler.cli.completion import Argument, Command, described
from reconciler.cli.failure import Failure

SCHEMAS = Path(__file__).with_name("schemas")
DOCS = Path(__file__).parents[2] / "docs"
MADE = "<!-- Made by `python -m reconciler.cli.publish`. -->"


def commands_page() -> str:
    """docs/commands.md."""
    commands = list(described("python -m reconciler"))
    shared = {argument.flags: argument for argument in commands[0].arguments if argument.flags}
    shared = {
        flags: argument
        for flags, argument in shared.items()
        if sum(flags in _flags(command) for command in commands) > len(commands) - 4
    }
    lines = [
        "# Commands",
        "",
        MADE,
        "",
        "`python -m reconciler COMMAND`, or `reconciler COMMAND` where it is installed.",
        "",
    ]
    lines += [
        "| Command | What it does |",
        "|---|---|",
        *(f"| [`{command.name}`](#{command.name}) | {_cell(command.help)} |" for command in commands),
        "",
    ]
    lines += ["Exit codes: [exit-codes.md](exit-codes.md). What `--json` prints: [json.md](json.md).", ""]
    lines += ["## Every command", "", *_table(list(shared.values())), ""]
    for command in commands:
        own_arguments = [argument for argument in command.arguments if argument.flags not in shared]
        words = " ".join(_usage(argument) for argument in own_arguments if not argument.flags)
        lines += [f"## {command.name}", "", f"    reconciler {command.name} {words}".rstrip(), ""]
        lines += [
            f"{command.about}",
            "",
            *(_table(own_arguments) if own_arguments else []),
            *([""] if own_arguments else []),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _flags(command: Command) -> list[tuple[str, ...]]:
    return [argument.flags for argument in command.arguments]


def _usage(argument: Argument) -> str:
    name = "|".join(argument.choices) or argument.metavar
    return name if argument.required else f"[{name}]"


def _table(arguments: list[Argument]) -> list[str]:
    rows = ["| Argument | Meaning |", "|---|---|"]
    for argument in arguments:
        name = ", ".join(f"`{flag}`" for flag in argument.flags) or f"`{argument.metavar}`"
        if argument.flags and argument.takes:
            name += " " + (", ".join(f"`{choice}`" for choice in argument.choices) or f"`{argument.metavar}`")
        elif not argument.flags and argument.choices:
            name = ", ".join(f"`{choice}`" for choice in argument.choices)
        rows.append(f"| {_cell(name)} | {_cell(argument.help)} |")
    return rows


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


JSON_INTRO = f"""\
# JSON

{MADE}

Every command takes `--json`. It then always prints one object on standard output, and everything else on standard
error. A command that failed prints the object of [a failure](#a-failure). (`logs` prints one object for each line.)
With `--json` no command asks a question: `destroy` needs `--yes`.

The schemas (draft 2020-12) come with the package: `importlib.resources.files("reconciler.cli") / "schemas"` has
`COMMAND.schema.json` and `error.schema.json`. A format's `version` is raised when a key is removed or changes its type
or meaning. Keys may be added within a version, so programs should ignore unknown ones.

`plan` has [a page of its own](plan-json.md); `show` prints deploy.yaml with every default, in the form that
`reconciler/config/deploy.schema.json` describes.
"""


def json_page() -> str:
    """docs/json.md."""
    parts = [JSON_INTRO, "## A failure\n", *_shape(json_formats.shape(Failure))]
    for command, answers in json_formats.commands().items():
        parts.append(f"## {command}\n")
        for answer in answers:
            parts += _shape(answer)
    for name, shape in json_formats.shared().items():
        parts += [f"## The shape `{name}`\n", *_shape(shape)]
    return "\n".join(parts).rstrip() + "\n"


def _shape(schema: dict[str, Any]) -> list[str]:
    rows = "\n".join(_rows(schema, ""))
    return [f"{schema['description']}\n", f"| key | type | meaning |\n|---|---|---|\n{rows}\n"]


def _rows(schema: dict[str, Any], before: str) -> Iterator[str]:
    for key, value in schema["properties"].items():
        seldom = "" if key in schema.get("required", ()) or "default" in value else ", only if so"
        yield f"| `{before}{key}` | {_cell(_type(value))}{seldom} | {_cell(value.get('description', ''))} |"
        inner = value.get("items", value)
        if inner.get("properties"):
            yield from _rows(inner, f"{before}{key}{'[]' if inner is not value else ''}.")


def _type(value: dict[str, Any]) -> str:
    if "allOf" in value:
        return _type(value["allOf"][0])
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        page = {"plan": "plan-json.md"}.get(name, f"#the-shape-{name}")
        return f"[`{name}`]({page})" if name in ("plan", *json_formats.shared()) else f"`{name}`"
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if value["type"] == "array":
        return f"list of {_type(value['items'])}" if "items" in value else "list"
    return "text" if value["type"] == "string" else str(value["type"])


def files() -> dict[Path, str]:
    """Every file that is made, with its text."""
    names = [*json_formats.commands(), "error"]
    texts = {SCHEMAS / f"{name}.schema.json": json.dumps(json_formats.schema(name), indent=2) + "\n" for name in names}
    texts[json_formats.PLAN] = json.dumps(json_formats.schema("plan"), indent=2) + "\n"
    return texts | {DOCS / "commands.md": commands_page(), DOCS / "json.md": json_page()}


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        if path.parent.is_dir():
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
