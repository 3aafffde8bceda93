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
        """The arguments that have flags."""
        return [argument for argument in self.arguments if argument.flags]

    @property
    def words(self) -> list[str]:
        """The choices of the first positional argument that has some."""
        return [word for argument in self.arguments if not argument.flags for word in argument.choices]


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
        visible = [action for action in command.arguments if action.help != argparse.SUPPRESS]
        about = (command.description or "").strip()
        yield Command(name, command.about, about, tuple(_argument(action) for action in visible))


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    # Not action.required of a positional: whether `*` is required differs between versions of Python.
    required = action.required if action.option_strings else action.nargs not in ("?", "*")
    text = (action.help or "").replace("%(default)s", str(action.default))
    file = action.dest in FILES and not choices
    return Argument(required, tuple(action.option_strings), text, choices, action.nargs != 0, file, metavar)


def _plain(command: Command) -> Command:
    """The command with help that no shell acts on."""
    table = str.maketrans({"`": None, "'": "\u2019", "$": " ", '"': " ", "\\": " "})
    arguments = tuple(replace(argument, help=argument.help.translate(table)) for argument in command.arguments)
    return replace(command, help=command.help.translate(table), arguments=arguments)


def bash(commands: list[Command]) -> str:
    """The completion script for bash 4 and later: what is no word of ours is completed as a file."""
    values = [
        f"    {command.name}:{flag}) COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$current\")); return ;;"
        for command in commands
        for option in command.options
        if option.choices
        for flag in option.flags
    ]
    free = [
        f"{command.name}:{flag}"
        for command in commands
        for option in command.options
        if option.takes and not option.choices
        for flag in option.flags
    ]
    words = [
        f"    {command.name}) words='"
        f"{' '.join([*command.words, *(flag for option in command.options for flag in option.flags)])}' ;;"
        for command in commands
    ]
    names = " ".join(command.name for command in commands)
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


def zsh(commands: list[Command]) -> str:
    """The completion script for zsh with compinit."""
    names = "\n".join(f"    '{command.name}:{_escaped(command.help)}'" for command in commands)
    cases = "\n".join(
        f"      {c.name}) _arguments -s {' '.join(_zsh(argument) for argument in c.arguments)} ;;" for c in commands
    )
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


def _zsh(argument: Argument) -> str:
    value = f"({' '.join(argument.choices)})" if argument.choices else "_files" if argument.file else ""
    if not argument.flags:
        return f"'::{argument.metavar.replace('|', ' or ')}:{value or '_files'}'"
    end = f":{argument.metavar}:{value or ' '}" if argument.takes else ""
    return " ".join(f"'*{flag}[{_escaped(argument.help)}]{end}'" for flag in argument.flags)


def _escaped(text: str) -> str:
    """What zsh reads as a part of its own syntax."""
    return "".join(f"\\{c}" if c in ":[]" else c for c in text)


def fish(commands: list[Command]) -> str:
    """The completion script for fish 3 and later."""
    lines = [
        f"# fish completion of {NAME}: {NAME} completion fish | source",
        f"complete -c {NAME} -n __fish_use_subcommand -f",
    ]
    lines += [f"complete -c {NAME} -n __fish_use_subcommand -l version -d 'print the version'"]
    for command in commands:
        lines.append(f"complete -c {NAME} -n __fish_use_subcommand -a {command.name} -d '{command.help}'")
        prefix = f"complete -c {NAME} -n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            lines.append(f"{prefix} -f -a '{' '.join(command.words)}'")
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            value = (
                f" -x -a '{' '.join(option.choices)}'"
                if option.choices
                else " -r"
                if option.file
                else " -x"
                if option.takes
                else ""
            )
            lines.append(f"{prefix} {flags}{value} -d '{option.help}'")
    return "\n".join(lines) + "\n"
