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
# What people type because another tool calls it so, and what to do here.
_ELSEWHERE = {
    **dict.fromkeys(("run", "start", "launch", "train", "deploy", "up", "create"), "did you mean apply?"),
    **dict.fromkeys(("delete", "remove", "rm", "down"), "did you mean destroy?"),
    **dict.fromkeys(("validate", "check", "diff", "preview"), "did you mean plan?"),
    **dict.fromkeys(("list", "ls", "history"), "did you mean runs?"),
    "help": "did you mean --help?",
    "version": "did you mean --version?",
    "--dry-run": "`plan` shows what apply would do;",
    "--profile": "set AWS_PROFILE instead;",
    "--region": "write region: in the file instead;",
    **dict.fromkeys(("-f", "--file"), "name the file without an option;"),
}
_YES = ("--yes", "-y", "--auto-approve", "-auto-approve", "--force")


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
        if wrong := re.search(r"""invalid choice: (?:'(.*?)'|"(.*?)")""", message):
            word = wrong[1] or wrong[2] or ""
            action = next((argument for argument in self.arguments if _is(argument, message)), None)
            if action is not None and action.metavar == "COMMAND":
                self._refuse_in_front(word)
                near = _ELSEWHERE.get(word, "")
                message = f"there is no command {word!r}"
            else:
                message = f"{_name(action)}: {word!r} is not one of its values"
            near = near or _near(word, _choices(action)) or _choose_from(action)
        elif unknown := re.search(r"unrecognized arguments: (\S+)", message):
            self._refuse_in_front(unknown[1])
            parser = next((self.commands[word] for word in self.command_line if word in self.commands), self)
            flags = [flag for argument in parser.arguments for flag in argument.option_strings]
            word = unknown[1].partition("=")[0]
            if word in _YES:
                near = "did you mean --yes?" if "--yes" in flags else "leave it out: this command doesn't ask;"
            near = near or _ELSEWHERE.get(word, "") or _near(word, flags)
            message = f"there is no argument {unknown[1]}"
        elif amount := re.fullmatch(r"argument (--[a-z-]+): (.*: write a .*)", message, re.DOTALL):
            message = f"{amount[1]} {amount[2]}"
        elif valued := re.fullmatch(r"argument (\S+): ignored explicit argument (.*)", message, re.DOTALL):
            message = f"{valued[1]} takes no value, and {valued[2]} is given"
        elif message.endswith("required: COMMAND"):
            raise UserError("which command?", hint=f"begin with {self.prog} init; all of them: {self.prog} --help")
        elif missing := re.search(r"required: (\w+)$", message):
            near = _choose_from(next((argument for argument in self.arguments if argument.dest == missing[1]), None))
        raise UserError(message, hint=f"{near} see {parser.prog} --help".lstrip())

    def _refuse_in_front(self, word: str) -> None:
        """Raises UserError if `word` stands before a command that would take it."""
        words = list(self.command_line)
        command = next((each for each in words if each in self.commands), "")
        # A word with a space or a quote in it isn't found: argparse's message has a part of it, or another spelling.
        if not command or word not in words[: words.index(command)]:
            return
        if word == "help":
            raise UserError(f"there is no command {word!r}", hint=f"write {self.prog} {command} --help")
        flags = [flag for argument in self.commands[command].arguments for flag in argument.option_strings]
        if not word.startswith("-") or word.partition("=")[0] in flags:
            raise UserError(
                f"{word} stands before the command", hint=f"the command comes first: {self.prog} {command} ..."
            )


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


def _choices(action: argparse.Action | None) -> list[str]:
    return [str(choice) for choice in (action.choices if action else None) or ()]


def _choose_from(action: argparse.Action | None) -> str:
    choices = _choices(action)
    return f"choose from {', '.join(choices)};" if choices else ""


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
