"""A command's options are values, made of its words in one place."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.arguments import parser
from reconciler.cli.options import made
from reconciler.core.errors import UserError

NEEDED = {"local": ["status"], "completion": ["bash"], "import": ["--prefix", "p"]}
FOR_MAIN = {"module", "quiet", "verbose", "help"}  # what no command has to ask for; `env` is read apart


def options(*words: str) -> Any:
    parsed = parser("r").parse_args(words)
    return made(import_module(f"reconciler.cli.{parsed.module}").Arguments, parsed, None)


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


WORDS = {"runs": ["compare", "A", "B"], "local": ["stop", "other.yaml"]}  # of commands that take several


def flags(command: str) -> Iterator[list[str]]:
    """Each option of a command, with a value where it takes one."""
    for argument in parser("r").commands[command].arguments:
        if argument.option_strings and argument.dest != "help" and argument.nargs != argparse.REMAINDER:
            value = [str((argument.choices or ["7"])[0])] if argument.nargs is None else []  # type: ignore[index]
            yield [argument.option_strings[-1], *value]


@pytest.mark.parametrize("command", sorted(set(parser("r").commands) - {"exec"}))
def test_an_option_may_stand_before_between_and_behind_the_words(command: str) -> None:
    """But with `exec`, behind whose RUN the command begins."""
    takes = any(not argument.option_strings for argument in parser("r").commands[command].arguments)
    words = WORDS.get(command, NEEDED[command][:1] if command == "completion" else ["name"] if takes else [])
    needed = NEEDED["import"] if command == "import" else []
    for flag in flags(command):
        if flag[0] == "--copilot":
            continue  # instead of --prefix
        expected = options(command, *words, *flag, *needed)
        for at in range(len(words)):
            assert options(command, *words[:at], *flag, *words[at:], *needed) == expected, (flag, at)


def test_words_behind_two_dashes_and_the_help_are_as_without() -> None:
    assert options("runs", "--local", "show", "--", "-odd").names == ("-odd",)
    assert options("runs", "--", "show", "-odd").names == ("-odd",)
    for command in ("runs", "local"):
        for word in ("-h", "--help", "--hel"):
            with pytest.raises(SystemExit):
                options(command, word)


def numeric() -> Iterator[tuple[str, str, bool]]:
    """Each option that takes a number: its command, its name, and whether it may be 0."""
    for name, command in parser("r").commands.items():
        for argument in command.arguments:
            if argument.option_strings and argument.type not in (None, Path):
                yield name, argument.option_strings[-1], argument.dest not in ("limit", "attempt", "count")


@pytest.mark.parametrize(("command", "flag", "may_be_0"), list(numeric()))
def test_a_number_that_means_nothing_is_refused(command: str, flag: str, may_be_0: bool) -> None:
    for value in ("-1", "-0.5", "nan", "-inf", "x", "", "1e999x", "9" * 5000 + "x", *([] if may_be_0 else ["0"])):
        with pytest.raises(UserError, match=f"^{flag} .*: write a (whole )?number (of|from)"):
            options(command, f"{flag}={value}", *NEEDED.get(command, []))
    assert options(command, flag, "7")


def test_the_limits_of_a_number_are_said() -> None:
    for words, limits in (
        (("runs", "--limit", "-3"), "--limit -3: write a whole number from 1 to 1,000,000,000"),
        (("apply", "--count", "101"), "--count 101: write a whole number from 1 to 100"),
        (("apply", "--wait-for-lock", "nan"), "--wait-for-lock nan: write a number of at least 0"),
        (("cost", "--minutes", "1e10"), "--minutes 1e10: write a number from 0 to 1,000,000,000"),
    ):
        with pytest.raises(UserError, match=limits):
            options(*words)
