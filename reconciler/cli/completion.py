"""`completion`: a script with which bash, zsh or fish completes the `reconciler` command, made from its parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from reconciler.cli.answer import Answer
from reconciler.cli.options import Output
from reconciler.cli.terminal import Terminal

FILES = ("file", "out", "data")  # arguments whose values are files
NAME = "reconciler"


@dataclass(frozen=True)
class Argument:
    """An option (with flags) or a positional one. choices: of its value. takes: whether it has a value."""

    required: bool
    flags: tuple[str, ...]
    help: str
    choices: tuple[str, ...]
    takes: bool
    file: bool
    metavar: str


@dataclass(frozen=True)
class Command:
    """A command with its arguments."""

    name: str
    help: str
    about: str
    arguments: tuple[Argument, ...]

    @property
    def options(self) -> list[Argument]:
        """Those with flags."""
        return [one for one in self.arguments if one.flags]

    @property
    def words(self) -> list[str]:
        """The choices of the first positional argument that has some."""
        return [word for one in self.arguments if not one.flags for word in one.choices]


@dataclass(frozen=True)
class Arguments(Output):
    """What `completion` is asked."""

    shell: Shell


Shell = Literal["bash", "zsh", "fish"]


@dataclass(frozen=True)
class Script(Answer):
    """The script."""

    shell: Shell
    script: str


ANSWERS = (Script,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Print the script."""
    text = script(options.shell)
    if options.json:
        terminal.json(Script(options.shell, text))
    else:
        terminal.lines(text.rstrip())
    return 0


def script(shell: str) -> str:
    """The script for this shell."""
    makers: dict[str, Callable[[list[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
    return makers[shell]([_plain(command) for command in described(NAME)])


def described(prog: str) -> Iterator[Command]:
    """Every command of the parser."""
    from reconciler.cli.arguments import parser

    top = parser(prog)
    for name, command in top.commands.items():
        shown = [action for action in command.arguments if action.help != argparse.SUPPRESS]
        about = (command.description or "").strip()
        yield Command(name, command.about, about, tuple(_argument(action) for action in shown))


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    # Not action.required of a positional: whether `*` is required differs between versions of Python.
    required = action.required if action.option_strings else action.nargs not in ("?", "*")
    text = (action.help or "").replace("%(default)s", str(action.default))
    file = action.dest in FILES and not choices
    return Argument(required, tuple(action.option_strings), text, choices, action.nargs != 0, file, metavar)


def _plain(command: Command) -> Command:
    """With help that no shell acts on."""
    table = str.maketrans({"`": None, "'": "\u2019", "$": " ", '"': " ", "\\": " "})
    arguments = tuple(replace(one, help=one.help.translate(table)) for one in command.arguments)
    return replace(command, help=command.help.translate(table), arguments=arguments)


def bash(found: list[Command]) -> str:
    """For bash 4 and later: what is no word of ours is completed as a file."""
    values = [
        f"    {command.name}:{flag}) COMPREPLY=($(compgen -W '{' '.join(one.choices)}' -- \"$current\")); return ;;"
        for command in found
        for one in command.options
        if one.choices
        for flag in one.flags
    ]
    free = [
        f"{c.name}:{flag}" for c in found for one in c.options if one.takes and not one.choices for flag in one.flags
    ]
    words = [
        f"    {c.name}) words='{' '.join([*c.words, *(f for one in c.options for f in one.flags)])}' ;;" for c in found
    ]
    names = " ".join(command.name for command in found)
    return f"""\
# bash completion of {NAME}: eval "$({NAME} completion bash)"
_{NAME}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command='' word words
  COMPREPLY=()
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  case $command:$previous in
{chr(10).join(values)}
    {"|".join(free)}) return ;;
  esac
  case $command in
    '') words='{names} --help --version' ;;
{chr(10).join(words)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _{NAME} {NAME}
"""


def zsh(found: list[Command]) -> str:
    """For zsh with compinit."""
    names = "\n".join(f"    '{command.name}:{_escaped(command.help)}'" for command in found)
    cases = "\n".join(f"      {c.name}) _arguments -s {' '.join(_zsh(one) for one in c.arguments)} ;;" for c in found)
    return f"""\
#compdef {NAME}
# zsh completion of {NAME}: eval "$({NAME} completion zsh)" after compinit, or as a file _{NAME} in a folder of $fpath
_{NAME}() {{
  local -a commands
  local context state state_descr line
  typeset -A opt_args
  commands=(
{names}
  )
  _arguments -C '(- *)'{{-h,--help}}'[show help]' '(- *)--version[print the version]' '1: :->command' '*:: :->rest'
  case $state in
    command) _describe -t commands command commands ;;
    rest) case $words[1] in
{cases}
    esac ;;
  esac
}}
if [ "$funcstack[1]" = _{NAME} ]; then _{NAME} "$@"; else compdef _{NAME} {NAME}; fi
"""


def _zsh(one: Argument) -> str:
    value = f"({' '.join(one.choices)})" if one.choices else "_files" if one.file else ""
    if not one.flags:
        return f"'::{one.metavar.replace('|', ' or ')}:{value or '_files'}'"
    end = f":{one.metavar}:{value or ' '}" if one.takes else ""
    return " ".join(f"'*{flag}[{_escaped(one.help)}]{end}'" for flag in one.flags)


def _escaped(text: str) -> str:
    """What zsh reads as a part of its own syntax."""
    return "".join(f"\\{c}" if c in ":[]" else c for c in text)


def fish(found: list[Command]) -> str:
    """For fish 3 and later."""
    lines = [
        f"# fish completion of {NAME}: {NAME} completion fish | source",
        f"complete -c {NAME} -n __fish_use_subcommand -f",
    ]
    lines += [f"complete -c {NAME} -n __fish_use_subcommand -l version -d 'print the version'"]
    for command in found:
        lines.append(f"complete -c {NAME} -n __fish_use_subcommand -a {command.name} -d '{command.help}'")
        seen = f"complete -c {NAME} -n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            lines.append(f"{seen} -f -a '{' '.join(command.words)}'")
        for one in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in one.flags)
            value = (
                f" -x -a '{' '.join(one.choices)}'"
                if one.choices
                else " -r"
                if one.file
                else " -x"
                if one.takes
                else ""
            )
            lines.append(f"{seen} {flags}{value} -d '{one.help}'")
    return "\n".join(lines) + "\n"
