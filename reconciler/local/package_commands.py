"""The RUN instructions that install Python packages, read so that they can be done without a container. Pure.

What is read: pip and uv in their usual forms, alone or in a chain of `&&` with each other and with what has no effect
here (`set -e`, `cd`, making a virtual environment, emptying a cache). Everything else a RUN could do is left alone.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PIP = re.compile(r"pip3?(\.\d+)?")
PYTHON = re.compile(r"python3?(\.\d+)?")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
FORBIDDEN = re.compile(r"[`\n]|\$[^\w{]|\$\{\w*[^\w}]|\$$")
# Options that say where to install, which is decided here. With a value, and without one.
PLACES = ("--target", "-t", "--prefix", "--root", "--python", "-p", "--src")
EVERYWHERE = ("--user", "--system", "--break-system-packages")
EDITABLE = ("-e", "--editable")
GLOBAL_WITH_VALUE = (
    "--python", "--timeout", "--retries", "--proxy", "--cert", "--client-cert", "--trusted-host", "--cache-dir",
    "--log", "--exists-action", "--progress-bar", "--directory", "--project",
)  # fmt: skip
HARMLESS = ("list", "freeze", "cache", "--version", "-V", "debug", "show")
RUNS = ("install", "check")


@dataclass(frozen=True)
class Command:
    """One command of an installation. tool: pip, uv pip or uv sync; words: what follows it, its place taken out.

    folder: where it is run, a path in the image. environment: what the command line sets for it.
    """

    tool: str
    words: tuple[str, ...]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Installation:
    """What a RUN does. places: folders of the image that it fills, which are the environment's here."""

    commands: tuple[Command, ...]
    places: tuple[str, ...] = ()


class NotInstallation(Exception):
    """This RUN does something else than install packages."""


def installation(text: str | Sequence[str], folder: str, values: Mapping[str, str]) -> Installation | None:
    """What a RUN installs, or None if it does anything else.

    text: of the shell form, or the words of the JSON form. folder: its WORKDIR. values: the variables that it sees.
    """
    try:
        chain = [list(text)] if not isinstance(text, str) else _chain(text, values)
        return _read(chain, folder)
    except (NotInstallation, ValueError):
        return None


def _chain(text: str, values: Mapping[str, str]) -> list[list[str]]:
    """The commands of a chain. Raises NotInstallation for what only a shell could do, ValueError for an open quote."""
    if FORBIDDEN.search(text.strip()):
        raise NotInstallation

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise NotInstallation
        return values[name]

    lexer = shlex.shlex(VARIABLE.sub(value, text), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    chain: list[list[str]] = [[]]
    for word in lexer:
        if word in ("&&", ";"):
            chain.append([])
        elif word and set(word) <= set("();<>|&"):
            raise NotInstallation
        else:
            chain[-1].append(word)
    return [words for words in chain if words]


def _read(chain: list[list[str]], folder: str) -> Installation:
    commands: list[Command] = []
    places: list[str] = []
    for words in chain:
        environment: dict[str, str] = {}
        while words and (match := ASSIGNMENT.fullmatch(words[0])):
            environment[match[1]] = match[2]
            words = words[1:]
        if words and words[0] == "cd" and len(words) == 2:
            folder = posixpath.normpath(posixpath.join(folder, words[1]))
        elif not words or _without_effect(words):
            continue
        elif (venv := _environment(words)) is not None:
            places.append(posixpath.normpath(posixpath.join(folder, venv)))
        else:
            tool, arguments = _tool(words)
            if tool == "pip" and arguments[0] in HARMLESS:
                continue
            cleaned, targets = _without_places(tool, arguments)
            places += [posixpath.normpath(posixpath.join(folder, place)) for place in targets]
            if "--user" in arguments:
                places.append("/root/.local")
            if tool == "uv sync":
                places.append(posixpath.normpath(posixpath.join(folder, ".venv")))
            if not _only_itself(tool, cleaned):
                commands.append(Command(tool, cleaned, folder, environment))
    if not commands and not places:
        raise NotInstallation
    return Installation(tuple(commands), tuple(places))


def _without_effect(words: Sequence[str]) -> bool:
    """Whether a command leaves the packages as they are."""
    name, arguments = words[0], words[1:]
    if name in ("true", ":") or (name == "set" and all(word.startswith("-") for word in arguments)):
        return True
    if name in (".", "source"):
        return len(arguments) == 1 and arguments[0].endswith("/bin/activate")
    if name == "rm":
        paths = [word for word in arguments if not word.startswith("-")]
        return bool(paths) and all("cache" in path for path in paths)
    return bool(PYTHON.fullmatch(posixpath.basename(name))) and list(arguments) in (["--version"], ["-V"])


def _environment(words: Sequence[str]) -> str | None:
    """The folder of the virtual environment that a command makes."""
    name, arguments = posixpath.basename(words[0]), list(words[1:])
    if PYTHON.fullmatch(name) and arguments[:2] in (["-m", "venv"], ["-m", "virtualenv"]):
        arguments = arguments[2:]
    elif name == "uv" and arguments[:1] == ["venv"]:
        arguments = arguments[1:] or [".venv"]
    elif name == "virtualenv":
        pass
    else:
        return None
    paths = [word for word in arguments if not word.startswith("-")]
    if "--system-site-packages" in arguments or len(paths) != 1:
        return None
    return paths[0]


def _tool(words: Sequence[str]) -> tuple[str, list[str]]:
    """Which tool a command is, and what it is told. Raises NotInstallation."""
    name, arguments = posixpath.basename(words[0]), list(words[1:])
    if PYTHON.fullmatch(name) and arguments[:2] in (["-m", "pip"], ["-m", "uv"]):
        name, arguments = arguments[1], arguments[2:]
    if PIP.fullmatch(name):
        return "pip", _verb(arguments, (*RUNS, *HARMLESS))
    if name == "uv":
        arguments = _verb(arguments, ("pip", "sync"))
        if arguments[0] == "sync":
            return "uv sync", arguments
        verb = next((word for word in arguments[1:] if word in ("install", "sync")), None)
        if verb is not None and arguments[0] == "pip":
            return "uv pip", [verb, *[word for word in arguments[1:] if word != verb]]
    raise NotInstallation


def _verb(words: list[str], verbs: Sequence[str]) -> list[str]:
    """The words with the verb first, and what stood before it after it. Raises NotInstallation."""
    options: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word in verbs:
            return [word, *options, *words[at + 1 :]]
        if not word.startswith("-"):
            break
        options.append(word)
        if word in GLOBAL_WITH_VALUE:
            at += 1
            options += words[at : at + 1]
        at += 1
    raise NotInstallation


def _without_places(tool: str, words: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The words without what says where to install, and the folders that they named."""
    cleaned: list[str] = []
    places: list[str] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        name, equals, value = word.partition("=")
        if name in PLACES and (tool != "uv sync" or name in ("--python", "-p")):
            value = value if equals else (pending.pop(0) if pending else "")
            if name in ("--target", "-t", "--prefix"):
                places.append(value)
            if name == "--root":
                raise NotInstallation
        elif word in EVERYWHERE or (name in EDITABLE and not equals):
            continue  # what is installed so could change with its folder, of which each task has a copy of its own
        elif name == "--editable":
            cleaned.append(value)
        else:
            cleaned.append(word)
    return tuple(cleaned), places


def _only_itself(tool: str, words: Sequence[str]) -> bool:
    """Whether nothing but pip is to be renewed, which isn't in the environment."""
    packages = [word for word in words[1:] if not word.startswith("-")]
    return (
        tool == "pip" and bool(packages) and all(re.split(r"[=<>~!\[]", word)[0] in ("pip", "uv") for word in packages)
    )
