"""argparse, but what is wrong with a command line is told like every other error: what, where and what next."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from reconciler.cli.top_help import COMMANDS, columns, text
from reconciler.core.errors import UserError

MOST = 1_000_000_000  # of a number on the command line that has no limit of its own


class Parser(argparse.ArgumentParser):
    """A parser that raises UserError instead of ending the process, and that knows its arguments."""

    def __init__(self, **settings: Any) -> None:
        self.arguments: list[argparse.Action] = []
        self.command_line: Sequence[str] = ()
        self.commands: dict[str, Parser] = {}
        self.about = ""
        self._mixing = False
        super().__init__(**settings)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """As argparse does it. What is added to a group belongs into `arguments` too."""
        action = super().add_argument(*names, **settings)
        self.arguments.append(action)
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but options may stand between the words of a command that takes several."""
        self.command_line = list(args or ())
        words = [argument.nargs for argument in self.arguments if not argument.option_strings]
        # Of a word behind `--` the second pass would make an option again.
        if self._mixing or len(words) < 2 or argparse.REMAINDER in words or "--" in self.command_line:
            return super().parse_known_args(args, namespace)
        self._mixing = True  # argparse calls this for each of its passes
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def print_help(self, file: Any = None) -> None:
        """Print the help. Raises OSError where it can't be written, which argparse's own keeps to itself."""
        print(self.format_help(), end="", file=file or sys.stdout, flush=True)

    def error(self, message: str) -> NoReturn:
        """Raises UserError, with what was probably meant."""
        parser, near = self, ""
        if wrong := re.search(r"invalid choice: '(.*?)'", message):
            action = next((argument for argument in self.arguments if _is(argument, message)), None)
            choices = [str(choice) for choice in (action.choices if action else None) or ()]
            problem = (
                "there is no command" if action is not None and action.metavar == "COMMAND" else f"{_name(action)}:"
            )
            near = _near(wrong[1], choices) or f"choose from {', '.join(choices)};"
            message = f"{problem} {wrong[1]!r}"
        elif unknown := re.search(r"unrecognized arguments: (\S+)", message):
            parser = next((self.commands[word] for word in self.command_line if word in self.commands), self)
            flags = [flag for argument in parser.arguments for flag in argument.option_strings]
            near = _near(unknown[1].partition("=")[0], flags)
            message = f"there is no argument {unknown[1]}"
        elif amount := re.fullmatch(r"argument (--[a-z-]+): (.*: write a .*)", message, re.DOTALL):
            message = f"{amount[1]} {amount[2]}"
        elif message.endswith("required: COMMAND"):
            raise UserError("which command?", hint=f"begin with {self.prog} init; all of them: {self.prog} --help")
        raise UserError(message, hint=f"{near} see {parser.prog} --help".lstrip())


class Top(Parser):
    """The parser of the whole command line, whose first word is a command."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._commands = self.add_subparsers(prog=self.prog, metavar="COMMAND", required=True, parser_class=Parser)
        self.arguments.append(self._commands)

    def format_help(self) -> str:
        """The list of all commands."""
        return text(self.prog, columns())

    def command(self, name: str) -> Parser:
        """A new command, of those that the list names."""
        about = COMMANDS[name]
        parser = self._commands.add_parser(name, description=f"{about[0].upper()}{about[1:]}.")
        self.commands[name] = parser
        parser.about = about
        return parser


def _is(action: argparse.Action, message: str) -> bool:
    return f"argument {_name(action)}:" in message


def _name(action: argparse.Action | None) -> str:
    """What argparse calls an argument in its messages."""
    if action is None:
        return "argument"
    return "/".join(action.option_strings) or str(action.metavar or action.dest)


def _near(word: str, choices: list[str]) -> str:
    import difflib

    bare = {choice.lstrip("-"): choice for choice in choices}  # dashes alone make no likeness
    matches = difflib.get_close_matches(word.lstrip("-"), list(bare), 1)
    return f"did you mean {bare[matches[0]]}?" if matches else ""


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """An argument's `type`: a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise _wrong(text, "whole number", least, most)
        return value

    return parse


def number(least: float, most: float = MOST) -> Callable[[str], float]:
    """An argument's `type`: a number from `least` to `most`; not NaN, which is in no range."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise _wrong(text, "number", least, most)
        return value

    return parse


def _wrong(text: str, noun: str, least: float, most: float) -> argparse.ArgumentTypeError:
    limits = f"of at least {least}" if math.isinf(most) else f"from {least} to {most:,}"
    return argparse.ArgumentTypeError(f"{text}: write a {noun} {limits}")
