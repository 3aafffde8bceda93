"""argparse, but what is wrong with a command line is told like every other error: what, where and what next."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from reconciler.core.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser that raises UserError instead of ending the process."""

    given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it."""
        self.given = list(args or ())
        return super().parse_known_args(args, namespace)

    def print_help(self, file: Any = None) -> None:
        """Print the help. Raises OSError where it can't be written, which argparse's own keeps to itself."""
        print(self.format_help(), end="", file=file or sys.stdout, flush=True)

    def error(self, message: str) -> NoReturn:
        """Raises UserError, with what was probably meant."""
        parser, near = self, ""
        if wrong := re.search(r"invalid choice: '(.*?)'", message):
            action = next((one for one in self._actions if _is(one, message)), None)
            choices = [str(choice) for choice in (action.choices if action else None) or ()]
            what = "there is no command" if action is not None and action.metavar == "COMMAND" else f"{_name(action)}:"
            near = _near(wrong[1], choices) or f"choose from {', '.join(choices)};"
            message = f"{what} {wrong[1]!r}"
        elif unknown := re.search(r"unrecognized arguments: (\S+)", message):
            parser = next((found for name, found in commands(self) if name in self.given), self)
            near = _near(unknown[1].partition("=")[0], list(parser._option_string_actions))
            message = f"there is no argument {unknown[1]}"
        elif message.endswith("required: COMMAND"):
            raise UserError("which command?", hint=f"begin with {self.prog} init; all of them: {self.prog} --help")
        raise UserError(message, hint=f"{near} see {parser.prog} --help".lstrip())


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, Parser]]:
    """The commands of a parser, with their names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _is(action: argparse.Action, message: str) -> bool:
    return f"argument {_name(action)}:" in message


def _name(action: argparse.Action | None) -> str:
    return str(argparse._get_action_name(action)) if action is not None else "argument"


def _near(word: str, choices: list[str]) -> str:
    import difflib

    found = difflib.get_close_matches(word, choices, 1, 0.5)
    return f"did you mean {found[0]}?" if found else ""
