"""What a Dockerfile says, as far as it is needed without building it: its base images and how its image is started.

Held against BuildKit's own parser: what that takes is taken, and read as it reads it. What only the builder can judge
(an instruction that it doesn't know, a flag) is left to it.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core import plain_json
from reconciler.core.errors import UserError
from reconciler.core.wildcard import matches
from reconciler.image.dockerfile_words import (
    SPACE,
    Budget,
    Heredoc,
    Lexer,
    WordError,
    heredocs,
    split_flags,
    split_words,
)

DIRECTIVE = re.compile(r"#[ \t\v\f\r]*([A-Za-z][A-Za-z0-9]*)[ \t\v\f\r]*=(.*)", re.DOTALL)
DIRECTIVES = ("syntax", "check", "escape")
WITH_HEREDOCS = ("RUN", "COPY", "ADD")
STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its flags (`--from=…`) taken off. `arguments` is the text after them. mounts: of `--mount`.
    heredocs: the here-documents that it names. escape: the escape character of the file.
    """

    line: int
    name: str
    flags: Mapping[str, str]
    arguments: str
    mounts: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    escape: str = "\\"


@dataclass
class Stage:
    """One FROM and what follows it. `base` has its build arguments filled in; parent: the number of the stage that it
    is, if it is one. line: of its FROM.
    """

    name: str
    base: str
    platform: str
    parent: int | None = None
    line: int = 0
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """An instruction as a build comes to it. stage: the number of its stage. values: all variables before it;
    environment: those of ENV, which end up in the image, and grow as the build goes on.
    """

    stage: int
    instruction: Instruction
    values: Mapping[str, str]
    environment: Mapping[str, str]
    filler: Filler

    def fill(self, text: str) -> str:
        """The text with its quotes taken off and its variables filled in. Raises UserError with the line."""
        return self.filler(self.instruction, text, self.values)

    def words(self) -> tuple[str, ...]:
        """The words of a COPY or ADD, in either form, filled in. Raises UserError."""
        words = form(self.instruction.arguments)
        return tuple(self.fill(word) for word in (words or self.instruction.arguments.split()))


@dataclass(frozen=True)
class Dockerfile:
    """The stages of a Dockerfile, in order. outer: the ARGs before the first. build_arguments: those of the command."""

    stages: tuple[Stage, ...]
    outer: Mapping[str, str]
    build_arguments: Mapping[str, str]
    source: str

    def number(self, target: str | None) -> int:
        """The number of the stage that a build ends with. Raises UserError."""
        if target is None:
            return len(self.stages) - 1
        names = {stage.name: number for number, stage in enumerate(self.stages) if stage.name}
        if (position := names.get(target.lower())) is not None:
            return position
        if target.isascii() and target.isdigit() and int(target[:9]) < len(self.stages):
            return int(target[:9])
        stage_list = ", ".join(names) or "none has a name"
        raise UserError(f"image.target: the Dockerfile has no stage {target!r}", hint=f"its stages: {stage_list}")

    def root(self, number: int) -> Stage:
        """The stage that a stage is built on in the end, which is itself if its base is from elsewhere."""
        while (parent := self.stages[number].parent) is not None:
            number = parent
        return self.stages[number]

    def bases(self, target: str | None) -> tuple[str, ...]:
        """The images from elsewhere that a build of `target` may start from or copy from, sorted."""
        stages = self.stages[: self.number(target) + 1]
        stage_names = {stage.name for stage in self.stages} | {str(n) for n in range(len(self.stages))} | {"scratch"}
        names = {stage.base for stage in stages if stage.parent is None}
        for stage in stages:
            for instruction in stage.instructions:
                if instruction.name in ("COPY", "ADD") and (name := instruction.flags.get("from")):
                    names.add(name)
                names |= {name for mount in instruction.mounts if (name := _mounted(mount))}
        return tuple(sorted(name for name in names if name.lower() not in stage_names))

    def steps(self, target: str | None) -> Iterator[Step]:
        """The instructions of a stage and of those that it is built on, the first base first. Raises UserError."""
        line: list[int] = []
        following: int | None = self.number(target)
        while following is not None:
            line.append(following)
            following = self.stages[following].parent
        # What came last counts, of ENV and ARG alike, and a stage has what the one that it is built on had.
        environment: dict[str, str] = {}
        values: dict[str, str] = {}
        fill = Filler(self.source)
        for number in reversed(line):
            for instruction in self.stages[number].instructions:
                yield Step(number, instruction, values, environment, fill)
                if instruction.name == "ARG":
                    _argue(instruction, fill, self.build_arguments, values, self.outer)
                elif instruction.name == "ENV":
                    variables = _env(instruction, fill, values)
                    environment |= variables
                    values |= variables


class Filler:
    """Fills variables in, and counts what they make. strict: what has to be set must be known here."""

    def __init__(self, source: str, *, strict: bool = False) -> None:
        self.source, self.strict, self.budget = source, strict, Budget()

    def __call__(self, instruction: Instruction, text: str, values: Mapping[str, str]) -> str:
        """The text with its quotes taken off and its variables filled in. Raises UserError with the line."""
        try:
            return Lexer(text, values, self.budget, instruction.escape, strict=self.strict).read()
        except WordError as error:
            raise _refused(self.source, instruction, str(error)) from None


def _refused(source: str, instruction: Instruction, why: str) -> UserError:
    instruction_text = f"{instruction.name} {instruction.arguments}"
    instruction_text = instruction_text if len(instruction_text) <= SHOWN else instruction_text[:SHOWN] + "…"
    return UserError(
        f"{source}:{instruction.line}: {instruction_text}: {why}", hint="correct this line of the Dockerfile"
    )


def _mounted(mount: str) -> str:
    """The image that a `--mount` names; empty for a stage, a variable or none."""
    for part in mount.split(","):
        key, _, value = part.partition("=")
        if key.strip().lower() == "from":
            return "" if "$" in value else value
    return ""


SHOWN = 200  # characters of an instruction that a message quotes
SYSTEMS = ("PLATFORM", "OS", "ARCH", "VARIANT")


def _platforms(platform: str) -> dict[str, str]:
    """What BuildKit sets before the first FROM."""
    system, _, machine = platform.partition("/")
    architecture, _, variant = machine.partition("/")
    parts = zip(SYSTEMS, (platform, system, architecture, variant), strict=True)
    return {f"{side}{name}": value for name, value in parts for side in ("TARGET", "BUILD")}


def parse_dockerfile(
    text: str, arguments: Mapping[str, str], source: str = "Dockerfile", *, platform: str = "linux/amd64"
) -> Dockerfile:
    """Read a Dockerfile. arguments: the build arguments given; platform: what is built for. Raises UserError with the
    line.
    """
    stages: list[Stage] = []
    names: dict[str, int] = {}
    outer = _platforms(platform)
    fill = Filler(source, strict=True)
    for instruction in instructions(text, source):
        if instruction.name == "FROM":
            stages.append(_stage(instruction, fill, outer, names))
            if stages[-1].name:
                names[stages[-1].name] = len(stages) - 1
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.name == "ARG":
            _argue(instruction, fill, arguments, outer, {})
        else:
            near = difflib.get_close_matches(instruction.name, ("FROM", "ARG"), 1)
            raise UserError(
                f"{source}:{instruction.line}: {instruction.name} before the first FROM",
                hint=f"write {near[0]}" if near else "begin with FROM and a base image; only ARG may stand before it",
            )
    if not stages:
        raise UserError(f"{source} has no FROM", hint="a Dockerfile begins with FROM and a base image")
    return Dockerfile(tuple(stages), outer, dict(arguments), source)


def _argue(
    instruction: Instruction,
    fill: Filler,
    arguments: Mapping[str, str],
    values: dict[str, str],
    outer: Mapping[str, str],
) -> None:
    """Set the variables of an ARG. arguments: those of the command; outer: the ARGs before the first stage."""
    for word in split_words(instruction.arguments, instruction.escape):
        key, equals, default = word.partition("=")
        if key in arguments:
            values[key] = arguments[key]
        elif equals:
            values[key] = fill(instruction, default, values)
        elif key in outer:
            values[key] = outer[key]


def _stage(instruction: Instruction, fill: Filler, outer: Mapping[str, str], names: Mapping[str, int]) -> Stage:
    words = instruction.arguments.split()
    has_name = len(words) == 3 and words[1].lower() == "as"
    base = fill(instruction, words[0], outer) if len(words) == 1 or has_name else ""
    name = words[2].lower() if has_name else ""
    if not base or len(base.split()) != 1 or (name and not STAGE_NAME.fullmatch(name)):
        why = f"{words[2]!r} isn't a name for a stage" if base and has_name else "this names no base image"
        raise UserError(
            f"{fill.source}:{instruction.line}: FROM {instruction.arguments[:SHOWN]}: {why}",
            hint="write FROM image [AS name], and give each ARG in it a default or a value in image.build_args",
        )
    if strange := sorted(instruction.flags.keys() - {"platform"}):
        raise _refused(fill.source, instruction, f"unknown flag --{strange[0]}")
    platform = fill(instruction, instruction.flags.get("platform", ""), outer)
    return Stage(name, base, platform, names.get(base.lower()), instruction.line)


def copies(dockerfile: str, path: str, arguments: Mapping[str, str] | None = None) -> bool:
    """Whether a Dockerfile names the file or its folder in a COPY or ADD of its own; `COPY . .` doesn't count.

    dockerfile: its text; path: of the context; arguments: the build arguments. A pattern names it, too, if it is more
    than `*`.
    """
    top = {path, path.split("/")[0], posixpath.dirname(path)} - {"", "."}
    try:
        parsed = parse_dockerfile(dockerfile, arguments or {})
        words = {
            posixpath.normpath(word).lstrip("/")
            for number in range(len(parsed.stages))
            for step in parsed.steps(str(number))
            if step.instruction.name in ("COPY", "ADD") and "from" not in step.instruction.flags
            for word in step.words()[:-1]
        }
    except UserError:
        return False  # said where the image is built
    return any(matches(pattern, name) for pattern in words - {"", ".", "*", "**"} for name in top)


def instructions(text: str, source: str = "Dockerfile") -> Iterator[Instruction]:
    """The instructions of a Dockerfile: comments gone, continued lines joined, here-documents taken off.

    Raises UserError for a here-document without an end and a directive that Docker refuses.
    """
    escape = _escape(text, source)
    rows = [row.rstrip("\r") for row in text.removeprefix("\ufeff").split("\n")]
    at = 0
    while at < len(rows):
        number = at + 1
        continues, line = _continued(rows[at].lstrip(SPACE), escape)
        at += 1
        if line.startswith("#") or (not line and not continues):
            continue
        parts = [line]
        while continues and at < len(rows):
            row = rows[at]
            at += 1
            if (bare := row.strip(SPACE)) and not bare.startswith("#"):
                continues, line = _continued(row, escape)
                parts.append(line)
        if not (line := "".join(parts).strip(SPACE)):
            continue
        instruction = _instruction(number, line, escape)
        documents: list[Heredoc] = []
        for document in _named(instruction, line):
            end = _end(rows, at, document)
            if end == len(rows):
                raise _refused(source, instruction, f"the here-document {document.name!r} has no end")
            documents.append(replace(document, content="".join(f"{row}\n" for row in rows[at:end])))
            at = end + 1
        yield replace(instruction, heredocs=tuple(documents)) if documents else instruction


def _continued(row: str, escape: str) -> tuple[bool, str]:
    """Whether a line goes on in the next, and the line without the sign of it."""
    if row.startswith("#"):
        return False, row
    bare = row.rstrip(" \t")
    if bare.endswith(escape) and not bare.endswith(escape * 2):
        return True, bare[:-1]
    return False, row


def _escape(text: str, source: str) -> str:
    """The escape character: that of a directive `# escape=` before all else."""
    directives: dict[str, str] = {}
    at, text = 0, text.removeprefix("\ufeff")
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        match = DIRECTIVE.match(text[at:end].lstrip(SPACE))
        if match is None or (name := match[1].lower()) not in DIRECTIVES or not match[2].strip(SPACE):
            break
        if name in directives:
            raise UserError(f"{source}: the directive {name!r} is there twice", hint="keep one of them")
        directives[name] = match[2].strip(SPACE)
        at = end + 1
    if (escape := directives.get("escape", "\\")) not in ("\\", "`"):
        raise UserError(f"{source}: # escape={escape[:SHOWN]} is neither \\ nor `", hint="write one of them")
    return escape


def _instruction(number: int, line: str, escape: str) -> Instruction:
    name, arguments = _first(line)
    words, arguments = split_flags(arguments, escape)
    flags = dict(_flag(word) for word in words)
    mounts = tuple(value for key, value in map(_flag, words) if key == "mount")
    return Instruction(number, name.upper(), flags, arguments.strip(SPACE), mounts, escape=escape)


def _first(line: str) -> tuple[str, str]:
    """A line's first word and what follows it."""
    parts = re.split(r"[\t\v\f\r ]+", line, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _flag(word: str) -> tuple[str, str]:
    key, _, value = word.removeprefix("--").partition("=")
    return key, value


def _named(instruction: Instruction, line: str) -> list[Heredoc]:
    """The here-documents of an instruction, or of the one after ONBUILD; none in JSON form."""
    inner = instruction
    if instruction.name == "ONBUILD" and instruction.arguments:
        inner = _instruction(instruction.line, instruction.arguments, instruction.escape)
    if inner.name not in WITH_HEREDOCS or "<<" not in line or form(inner.arguments) is not None:
        return []
    return heredocs(line)


def _end(rows: list[str], at: int, document: Heredoc) -> int:
    """The number of the line that ends a here-document; the number of all lines if none does."""
    ends = (rows[n].lstrip("\t") if document.chomp else rows[n] for n in range(at, len(rows)))
    return next((n for n, row in enumerate(ends, at) if row == document.name), len(rows))


def form(text: str) -> tuple[str, ...] | None:
    """The words of an instruction in JSON form, or None if it is in shell form."""
    if not text.startswith("["):
        return None
    try:
        value = plain_json.parse(text, parse_int=float)
    except ValueError:
        return None
    return tuple(value) if isinstance(value, list) and all(isinstance(word, str) for word in value) else None


# No command of a shell begins like that: `[` without a space behind, or a word and a comma.
LIKE_JSON = re.compile(r"""\[(?:[^\s\[]|\s+(?:"[^"]{0,500}"|'[^']{0,500}'|[^\s,\]"']{1,500})\s{0,100},)""")


def check_json(dockerfile: Dockerfile) -> None:
    """Raises UserError for a CMD or ENTRYPOINT that is meant as JSON and isn't: Docker takes it for a shell's line."""
    for instruction in (instruction for stage in dockerfile.stages for instruction in stage.instructions):
        if (
            instruction.name in ("CMD", "ENTRYPOINT")
            and form(instruction.arguments) is None
            and LIKE_JSON.match(instruction.arguments)
        ):
            raise UserError(
                f"{dockerfile.source}:{instruction.line}: {instruction.name} {instruction.arguments[:SHOWN]}: "
                "this looks like JSON and isn't, so that Docker takes it for a line for a shell",
                hint=f'put each word in double quotes, as in {instruction.name} ["python", "train.py"]',
            )


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
    environment: Mapping[str, str] = {}
    workdir = "/"
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    own_command: int | None = None  # the stage whose CMD it is
    for step in dockerfile.steps(target):
        name, text = step.instruction.name, step.instruction.arguments
        if name == "WORKDIR":
            workdir = posixpath.normpath(posixpath.join(workdir, step.fill(text)))
        elif name == "SHELL":
            shell = form(text) or shell
        elif name in ("ENTRYPOINT", "CMD"):
            words = form(text)
            words = words if words is not None else (*shell, text)
            if name == "CMD":
                command, own_command = words, step.stage
            else:
                entrypoint = words
                command = command if own_command == step.stage else None  # as in Docker: it drops an earlier stage's
        environment = step.environment
    return Start(entrypoint or None, command or None, dict(environment), workdir)


def _env(instruction: Instruction, fill: Filler, values: Mapping[str, str]) -> dict[str, str]:
    """What an ENV sets. All of it is filled in from what was before the instruction."""
    words = split_words(instruction.arguments, instruction.escape)
    if not words or words[0].startswith("=") or (len(words) == 1 and "=" not in words[0]):
        raise _refused(fill.source, instruction, "a name and a value are wanted")
    if "=" not in words[0]:  # the old form: ENV NAME any text
        pairs = [_first(instruction.arguments)]
    else:
        for word in words:
            if "=" not in word:
                raise _refused(fill.source, instruction, f"{word[:SHOWN]!r} has no =")
        pairs = [(key, value) for key, _, value in (word.partition("=") for word in words)]
    return {fill(instruction, key, values): fill(instruction, value, values) for key, value in pairs}
