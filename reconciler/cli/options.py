"""What a command was asked, as values: each command has a frozen dataclass `Arguments`, made here of argparse's words.

A field has the name that argparse gives the argument. Nothing further in knows of argparse.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.core.errors import UserError

if TYPE_CHECKING:
    from reconciler.config import Deploy

Made = TypeVar("Made")


@dataclass(frozen=True)
class Output:
    """What every command is asked. json: print one JSON object."""

    json: bool


@dataclass(frozen=True)
class OfFile(Output):
    """A command about a deploy.yaml. environment: which of the file's; empty for none."""

    file: Path
    environment: str


@dataclass(frozen=True)
class InAws(OfFile):
    """A command that reaches AWS. local: the embedded one. deploy: the file's content, where it was read already.
    quiet: nothing about the work.
    """

    local: bool
    quiet: bool
    deploy: Deploy | None


@dataclass(frozen=True)
class OfRun(InAws):
    """A command about one run. run: its id or a part of it; empty for the newest."""

    run: str


@dataclass(frozen=True)
class Planning(InAws):
    """What a plan may do. target, confirm: KIND.NAME."""

    skip_image: bool
    rehash: bool
    adopt: bool
    prune: bool
    delete_data: bool
    target: tuple[str, ...]
    confirm: tuple[str, ...]
    verbose: bool


def made(kind: type[Made], words: Namespace, deploy: Deploy | None) -> Made:
    """The options of one command. kind: its `Arguments`. deploy: what its file says, where that was read already.

    Raises UserError for an --env that means nothing.
    """
    environment, variables = chosen(words)
    all_values: dict[str, Any] = vars(words) | {"environment": environment, "env": variables, "deploy": deploy}
    values = {field.name: all_values[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def chosen(words: Namespace) -> tuple[str, tuple[str, ...]]:
    """What --env was given: the environment (a word without `=`), and variables of the task. Raises UserError."""
    env_words: list[str] = vars(words).get("env", [])
    names = [word for word in env_words if "=" not in word]
    variables = tuple(word for word in env_words if "=" in word)
    if len(set(names)) > 1:
        raise UserError(f"--env {' --env '.join(names)}: one environment at a time", hint="run the command for each")
    if "" in names:
        raise UserError("--env: the name is empty", hint="leave it out, or name an environment of the file")
    if variables and words.module != "apply":
        raise UserError(
            f"--env {variables[0].partition('=')[0]}=…: only `apply` takes variables",
            hint="name an environment of the file, such as --env prod",
        )
    return names[0] if names else "", variables
