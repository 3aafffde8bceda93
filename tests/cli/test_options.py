"""A command's options are values, made of its words in one place."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any

import pytest

from reconciler.cli.arguments import parser
from reconciler.cli.options import made
from reconciler.core.errors import UserError

NEEDED = {"local": ["status"], "completion": ["bash"], "import": ["--prefix", "p"]}
FOR_MAIN = {"module", "quiet", "verbose", "help"}  # what no command has to ask for; `env` is read apart


def options(*words: str) -> Any:
    found = parser("r").parse_args(words)
    return made(import_module(f"reconciler.cli.{found.module}").Arguments, found, None)


@pytest.mark.parametrize("command", parser("r").commands)
def test_every_argument_is_a_field(command: str) -> None:
    """And every field of the value an argument; it can be a key, so nothing in it can be filled in later."""
    value = options(command, *NEEDED.get(command, []))
    fields = {field.name for field in dataclasses.fields(value)}
    arguments = {action.dest for action in parser("r").commands[command].arguments}
    assert arguments - FOR_MAIN - {"env"} <= fields
    assert fields <= arguments | {"deploy", "environment"}
    assert "env" not in arguments or "environment" in fields
    assert isinstance(hash(value), int)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.json = True


def test_what_env_means() -> None:
    value = options("apply", "--env", "A=1", "--env", "prod", "--env", "B=")
    assert (value.environment, value.env) == ("prod", ("A=1", "B="))
    assert options("plan").environment == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plan", "--env", "a", "--env", "b"), "--env a --env b: one environment at a time"),
        (("plan", "--env", ""), "--env: the name is empty"),
        (("show", "--env", "A=1"), "--env A=…: only `apply` takes variables"),
    ],
)
def test_an_env_that_means_nothing(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        options(*words)
