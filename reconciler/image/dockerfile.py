"""What a Dockerfile says, as far as it is needed without building it: its base images and how its image is started."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.errors import UserError

VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^}]*))?\})")
HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its flags (`--from=…`) taken off. `rest` is the text after them."""

    line: int
    name: str
    flags: Mapping[str, str]
    rest: str


@dataclass
class Stage:
    """One FROM and what follows it. `base` has its build arguments filled in."""

    name: str
    base: str
    platform: str
    instructions: list[Instruction] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dockerfile:
    """The stages of a Dockerfile, in order."""

    stages: tuple[Stage, ...]

    def stage(self, target: str | None) -> Stage:
        """The stage that a build ends with. Raises UserError."""
        if target is None:
            return self.stages[-1]
        for number, stage in enumerate(self.stages):
            if target.lower() == stage.name.lower() or target == str(number):
                return stage
        names = ", ".join(stage.name for stage in self.stages if stage.name) or "none has a name"
        raise UserError(f"image.target: the Dockerfile has no stage {target!r}", hint=f"its stages: {names}")

    def bases(self, target: str | None) -> tuple[str, ...]:
        """The images from elsewhere that a build of `target` may start from or copy from, sorted."""
        last = self.stages.index(self.stage(target))
        known = {stage.name.lower() for stage in self.stages if stage.name} | {str(n) for n in range(len(self.stages))}
        found = {stage.base for stage in self.stages[: last + 1]}
        for stage in self.stages[: last + 1]:
            found |= {i.flags["from"] for i in stage.instructions if i.name == "COPY" and "from" in i.flags}
        return tuple(sorted(name for name in found if name.lower() not in known and name != "scratch"))

    def line_of(self, target: str | None) -> tuple[Stage, ...]:
        """A stage and those it is built on, the first base first."""
        stage = self.stage(target)
        earlier = self.stages[: self.stages.index(stage)]
        for other in reversed(earlier):
            if other.name and other.name.lower() == stage.base.lower():
                return (*Dockerfile((*earlier, stage)).line_of(other.name), stage)
        return (stage,)


def parse_dockerfile(text: str, arguments: Mapping[str, str], source: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile. arguments: the build arguments given. Raises UserError with the line."""
    stages: list[Stage] = []
    outer: dict[str, str] = {}
    for instruction in instructions(text):
        if instruction.name == "FROM":
            words = substitute(instruction.rest, outer).split()
            if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
                raise UserError(
                    f"{source}:{instruction.line}: FROM {instruction.rest}: this names no base image",
                    hint="write FROM image [AS name], and give each ARG in it a default or a value in image.build_args",
                )
            name = words[2] if len(words) == 3 else ""
            stages.append(Stage(name, words[0], instruction.flags.get("platform", "")))
        elif instruction.name == "ARG":
            scope = stages[-1].arguments if stages else outer
            for word in _words(instruction.rest):
                key, given, default = word.partition("=")
                if key in arguments:
                    scope[key] = arguments[key]
                elif given:
                    scope[key] = substitute(default, scope)
                elif stages and key in outer:
                    scope[key] = outer[key]
        elif stages:
            stages[-1].instructions.append(instruction)
        else:
            raise UserError(f"{source}:{instruction.line}: {instruction.name} before the first FROM")
    if not stages:
        raise UserError(f"{source} has no FROM", hint="a Dockerfile begins with FROM and a base image")
    return Dockerfile(tuple(stages))


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile: comments gone, continued lines joined, here-documents skipped."""
    escape = "`" if re.match(r"(?:\s*#.*\n)*\s*#\s*escape\s*=\s*`", text, re.IGNORECASE) else "\\"
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, raw in lines:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        while line.endswith(escape):
            following = next(lines, None)
            if following is None:
                break
            more = following[1].strip()
            if more.startswith("#") or not more:
                continue
            line = line[:-1] + " " + more
        here = HEREDOC.findall(line) if line.split(None, 1)[0].upper() in ("RUN", "COPY", "ADD") else []
        for end in here:
            for _, body in lines:
                if body.strip() == end:
                    break
        name, _, rest = line.partition(" ")
        flags, rest = _flags(rest.strip())
        yield Instruction(number, name.upper(), flags, rest)


def _flags(text: str) -> tuple[dict[str, str], str]:
    flags: dict[str, str] = {}
    while match := re.match(r"--([\w-]+)(?:=(\S+))?\s*", text):
        flags[match[1]] = match[2] or ""
        text = text[match.end() :]
    return flags, text


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Fill in $NAME, ${NAME}, ${NAME:-default} and ${NAME:+other}; unknown names become empty, as in Docker."""

    def one(match: re.Match[str]) -> str:
        if match[0].startswith("\\"):
            return "$"
        value = values.get(match[1] or match[2])
        operator, other = match[3] or "", match[4] or ""
        there = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return substitute(other, values) if there else ""
        return value if there and value is not None else substitute(other, values)

    return VARIABLE.sub(one, text)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def form(text: str) -> tuple[str, ...] | None:
    """The words of an instruction in JSON form, or None if it is in shell form."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return tuple(value) if isinstance(value, list) and all(isinstance(word, str) for word in value) else None


@dataclass(frozen=True)
class Start:
    """How an image is started, from the Dockerfile alone: what its base image sets isn't known here."""

    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    workdir: str


def start_of(dockerfile: Dockerfile, target: str | None) -> Start:
    """ENTRYPOINT, CMD, ENV and WORKDIR of the image, through the stages that it is built on."""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: dict[str, str] = {}
    workdir = "/"
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    for stage in dockerfile.line_of(target):
        own_command = False
        for instruction in stage.instructions:
            values = {**stage.arguments, **environment}
            text = instruction.rest
            if instruction.name == "ENV":
                environment |= _env(text, values)
            elif instruction.name == "WORKDIR":
                workdir = posixpath.normpath(posixpath.join(workdir, substitute(text, values)))
            elif instruction.name == "SHELL":
                shell = form(text) or shell
            elif instruction.name == "ENTRYPOINT":
                words = form(text)
                entrypoint = words if words is not None else (*shell, text)
                command = command if own_command else None  # as in Docker: it drops the command of the stage before
            elif instruction.name == "CMD":
                words = form(text)
                command = words if words is not None else (*shell, text)
                own_command = True
    return Start(entrypoint or None, command or None, environment, workdir)


def _env(text: str, values: Mapping[str, str]) -> dict[str, str]:
    first = text.split(None, 1)
    if first and "=" not in first[0]:  # the old form: ENV NAME any text
        return {first[0]: substitute(first[1] if len(first) > 1 else "", values)}
    pairs = (word.partition("=") for word in _words(text))
    return {key: substitute(value, values) for key, _, value in pairs}
