"""The files of an image for processes: what a build's COPY, ADD and WORKDIR make of the context, in a folder.

The stages that the target needs are laid out one after another. Nothing is run. What isn't done is listed, so that it
can be said before the program runs; what would fail in Docker, fails.
"""

from __future__ import annotations

import difflib
import posixpath
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.errors import UserError
from reconciler.image.dockerfile import Instruction, Step, form
from reconciler.image.inputs import Inputs
from reconciler.local.base_images import Has, base_of
from reconciler.local.beneath import Outside, beneath, copy_beneath, follow
from reconciler.local.copy_sources import BadPattern, ContextFiles, Source, StageFiles, clean, named
from reconciler.local.environments import Install, MissingFile, material
from reconciler.local.package_commands import installation

ADDRESS = re.compile(r"https?://|git@|git://|ssh://", re.IGNORECASE)
MODE = re.compile(r"0?[0-7]{3}")
MOST_SHOWN = 90
# What BuildKit knows, with the flags of each; None where none is looked at here. It refuses anything else.
KNOWN: dict[str, frozenset[str] | None] = {
    "ADD": frozenset(("chmod", "chown", "link", "keep-git-dir", "checksum", "unpack", "exclude")),
    "COPY": frozenset(("chmod", "chown", "from", "link", "parents", "exclude")),
    "RUN": frozenset(("mount", "network", "security", "device")),
    **dict.fromkeys(("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "MAINTAINER", "SHELL", "STOPSIGNAL", "USER",
                     "VOLUME", "WORKDIR"), frozenset()),
    "HEALTHCHECK": None, "ONBUILD": None,
}  # fmt: skip
ALONE = ("CMD", "ENTRYPOINT", "RUN")  # which may have nothing behind them
SITE_PACKAGES = re.compile(r".*/site-packages|/usr/local|/usr/local/(?:lib|bin|lib/python3\.\d+)|/root/\.local")


@dataclass
class Laid:
    """One stage. root: its files. undone: the instructions that were not done, as (line, text)."""

    root: Path
    workdir: str = "/"
    undone: list[tuple[int, str]] = field(default_factory=list)
    installs: list[Install] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    user: tuple[int, str] | None = None

    def leave(self, instruction: Instruction, why: str = "") -> None:
        """Note that an instruction isn't done."""
        self.undone.append((instruction.line, one_line(instruction) + (f": {why}" if why else "")))


def one_line(instruction: Instruction) -> str:
    """An instruction on one line, as it is in the file, but not longer than a line."""
    flags = "".join(f"--{name}={value} " if value else f"--{name} " for name, value in instruction.flags.items())
    text = f"{instruction.name} {flags}{' '.join(instruction.arguments.split())}"
    if instruction.name == "RUN":  # a here-document is what it runs
        lines = (" ".join(row.split()) for heredoc in instruction.heredocs for row in heredoc.content.splitlines())
        text = " ".join([text, "; ".join(filter(None, lines))]).rstrip()
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def lay_out(inputs: Inputs, context: Path, work: Path) -> Laid:
    """Lay out the image that a build ends with in a folder below `work`. context: a snapshot of the inputs.

    Raises UserError for what fails in Docker too, OSError.
    """
    return _Layout(inputs, context, work, ContextFiles(inputs)).stage(inputs.parsed.number(inputs.target))


@dataclass
class _Layout:
    inputs: Inputs
    context: Path
    work: Path
    files: ContextFiles
    stages: dict[int, Laid] = field(default_factory=dict)

    def stage(self, number: int) -> Laid:
        """A stage, with the one that it is built on. Its folder is its own."""
        if number in self.stages:
            return self.stages[number]
        laid = Laid(self.work / f"stage-{number}")
        laid.root.mkdir(mode=0o755)
        self.stages[number] = laid
        for step in self.inputs.parsed.steps(str(number)):
            try:
                self._do(step, laid)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise _failed(
                    self.inputs, step.instruction, _in_the_way(error, laid.root), "use another path"
                ) from None
        if laid.user is not None:
            laid.undone.append(laid.user)
        return laid

    def _do(self, step: Step, laid: Laid) -> None:
        instruction = step.instruction
        if instruction.name == "WORKDIR":
            laid.workdir = posixpath.normpath(posixpath.join(laid.workdir, step.fill(instruction.arguments)))
            self._folder(laid, laid.workdir)
        elif instruction.name in ("COPY", "ADD"):
            self._copy(step, laid)
        elif instruction.name == "RUN":
            self._run(step, laid)
        elif instruction.name == "USER":
            laid.user = (instruction.line, one_line(instruction))
        elif instruction.name == "STOPSIGNAL":
            laid.leave(instruction)

    def _folder(self, laid: Laid, path: str) -> None:
        try:
            beneath(laid.root, path).mkdir(parents=True, exist_ok=True)
        except Outside:
            raise UserError(f"WORKDIR {path}: a link leads out of the image") from None

    def _run(self, step: Step, laid: Laid) -> None:
        instruction = step.instruction
        text: str | Sequence[str] = form(instruction.arguments) or instruction.arguments
        installed = installation(text, laid.workdir, step.values) if not instruction.heredocs else None
        try:
            if installed is None or not all(self._mount(laid, mount) for mount in instruction.mounts):
                laid.leave(instruction)
                return
        except Outside:
            laid.leave(instruction, "a link leads to itself")
            return
        try:
            digest = material(installed.commands, laid.root)
        except MissingFile as error:
            has_known_base = base_of(self.inputs.parsed.root(step.stage).base).has is not Has.UNKNOWN
            if not has_known_base or any(not text.startswith("USER ") for _, text in laid.undone):
                laid.leave(instruction, f"only the base image or a line that isn't done can have {error}")
                return
            raise _failed(
                self.inputs,
                instruction,
                f"Could not open requirements file: No such file or directory: '{error}'",
                "COPY it into the image before this line",
            ) from None
        laid.places += installed.places
        if installed.commands:
            short = one_line(instruction).removeprefix("RUN ")
            laid.installs.append(Install(instruction.line, short, installed.commands, dict(step.values), digest))

    def _mount(self, laid: Laid, mount: str) -> bool:
        """Have a file or folder of the context where a RUN mounts it. False for a mount of something else.

        Links are followed below the context. Raises Outside.
        """
        options = dict(part.strip().partition("=")[::2] for part in mount.split(","))
        kind = options.get("type", "bind")
        source = posixpath.normpath("/" + (options.get("source") or options.get("src") or ".")).lstrip("/")
        target = options.get("target") or options.get("dst") or options.get("destination")
        if kind == "cache":
            return True
        if kind != "bind" or "from" in options or not target:
            return False
        path = self.context.joinpath(*follow(source, "/", self.files.link))
        if not path.exists():
            return False
        inside = posixpath.join(laid.workdir, target)
        if not beneath(laid.root, inside).exists():
            copy_beneath(path, laid.root, inside, "/", into_folder=False)
        return True

    def _copy(self, step: Step, laid: Laid) -> None:
        """One COPY or ADD. Raises UserError for a source that isn't there."""
        instruction = step.instruction
        words = step.words()
        if instruction.heredocs or {"exclude", "parents"} & instruction.flags.keys() or len(words) < 2:
            laid.leave(instruction)
            return
        target = posixpath.normpath(posixpath.join(laid.workdir, words[-1]))
        into_folder = words[-1].endswith(("/", "/.")) or words[-1] in (".", "..") or len(words) > 2
        if "from" in instruction.flags:
            self._copy_from_stage(step, laid, words[:-1], target, into_folder=into_folder)
            return
        sources: list[Source] = []
        for word in words[:-1]:
            if instruction.name == "ADD" and ADDRESS.match(word):
                laid.leave(instruction)
                return
            sources += self._sources(instruction, word)
        self._put(instruction, laid, self.context, sources, target, into_folder=into_folder or len(sources) > 1)

    def _sources(self, instruction: Instruction, word: str) -> list[Source]:
        found = sources(self.files, instruction, word)
        for source in found:  # a folder without files is in no list of them, so the snapshot doesn't have it
            path = self.inputs.context / source.path
            if path.is_dir() and not path.is_symlink():
                (self.context / source.path).mkdir(parents=True, exist_ok=True)
        return found

    def _put(
        self,
        instruction: Instruction,
        laid: Laid,
        root: Path,
        sources: Sequence[Source],
        target: str,
        *,
        into_folder: bool,
    ) -> None:
        mode = instruction.flags.get("chmod", "")
        for source in sources:
            path = root / source.path
            try:
                if instruction.name == "ADD" and path.is_file() and tarfile.is_tarfile(path):
                    _unpack(path, beneath(laid.root, target))
                    continue
                copied = copy_beneath(path, laid.root, target, "/", into_folder=into_folder, name=source.name)
                if MODE.fullmatch(mode):
                    _chmod(copied, int(mode, 8))
            except Outside:
                laid.leave(instruction, "a link leads out of the image")
            except tarfile.TarError as error:
                laid.leave(instruction, f"the archive isn't unpacked: {error}")

    def _copy_from_stage(
        self, step: Step, laid: Laid, sources: Sequence[str], target: str, *, into_folder: bool
    ) -> None:
        """From an earlier stage copy its files, or what it installed into; of another image nothing."""
        instruction = step.instruction
        name = step.fill(instruction.flags["from"])
        number = self._number(name, step.stage)
        if number is None:
            if "/uv:" not in name and "/uv@" not in name:  # its program is this machine's, if there is one
                laid.leave(instruction)
            return
        source_stage = self.stage(number)
        installed = [source for source in sources if source_stage.installs and _holds(source_stage, source)]
        if installed:
            laid.installs += [install for install in source_stage.installs if install not in laid.installs]
            laid.places += [*source_stage.places, target]
        copied: list[Source] = []
        for source in (source for source in sources if source not in installed):
            found = _named(self.inputs, instruction, StageFiles(source_stage.root), source)
            there = [file for file in found if (source_stage.root / file.path).exists()]
            empty = base_of(self.inputs.parsed.root(number).base).has is Has.NOTHING
            if len(there) < len(found) and empty and not source_stage.undone:
                raise _failed(self.inputs, instruction, f'"{source}" isn\'t in the stage {name}', "correct the path")
            if not there or len(there) < len(found):
                laid.leave(instruction, f"only the base image of stage {name} or a line that isn't done can have it")
            copied += there
        for entry in source_stage.undone:
            if entry not in laid.undone and not entry[1].startswith("USER "):
                laid.undone.append(entry)
        self._put(instruction, laid, source_stage.root, copied, target, into_folder=into_folder or len(copied) > 1)

    def _number(self, name: str, before: int) -> int | None:
        """The number of an earlier stage that is named; None for another image."""
        stages = self.inputs.parsed.stages[:before]
        for number, stage in enumerate(stages):
            if stage.name == name.lower():
                return number
        return int(name) if name.isascii() and name.isdigit() and int(name[:9]) < before else None


def _unpack(archive: Path, folder: Path) -> None:
    """What ADD does with an archive. Raises TarError, where this Python can't do it safely too."""
    if not hasattr(tarfile, "data_filter"):
        raise tarfile.TarError("this Python can't do it safely")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")


def _holds(stage: Laid, source: str) -> bool:
    """Whether a path of a stage is where it installed its packages."""
    path = source.rstrip("/")
    return path in stage.places or SITE_PACKAGES.fullmatch(path) is not None


def _chmod(paths: Sequence[Path], mode: int) -> None:
    """A folder stays one that its owner may look into and delete from: unlike in a container, nobody here is root."""
    for path in paths:
        if not path.is_symlink():
            path.chmod(mode | 0o700 if path.is_dir() else mode)


def _in_the_way(error: OSError, root: Path) -> str:
    """What of the image isn't what an instruction takes it for."""
    path = Path(str(error.filename))
    inside = "/" + str(path.relative_to(root)) if path.is_relative_to(root) else path.name
    return f"{inside} is a folder" if isinstance(error, IsADirectoryError) else f"not a directory: {inside}"


def _failed(inputs: Inputs, instruction: Instruction, why: str, hint: str) -> UserError:
    return UserError(f"{inputs.dockerfile}:{instruction.line}: {one_line(instruction)}: {why}", hint=hint)


def check_instructions(inputs: Inputs) -> None:
    """Raises UserError for a line that nobody knows: no builder is there to say so, and it would be left out."""
    for stage in inputs.parsed.stages:
        for instruction in stage.instructions:
            if instruction.name not in KNOWN:
                near = difflib.get_close_matches(instruction.name, KNOWN, 1)
                raise _failed(
                    inputs, instruction, f"unknown instruction {instruction.name}", f"write {near[0]}" if near else ""
                )
            flags = KNOWN[instruction.name]
            if flags is not None and (strange := sorted(instruction.flags.keys() - flags)):
                hint = f"it knows {', '.join(f'--{flag}' for flag in sorted(flags)) or 'none'}"
                raise _failed(inputs, instruction, f"unknown flag --{strange[0]}", hint)
            if not instruction.arguments and instruction.name not in ALONE:
                raise _failed(
                    inputs,
                    instruction,
                    "nothing follows it",
                    f"write what {instruction.name} is to do, or leave it out",
                )
            if instruction.name == "SHELL" and form(instruction.arguments) is None:
                raise _failed(inputs, instruction, "it is not a JSON list", 'for instance SHELL ["/bin/bash", "-c"]')
            if (
                instruction.name in ("COPY", "ADD")
                and len(form(instruction.arguments) or instruction.arguments.split()) < 2
            ):
                raise _failed(inputs, instruction, "it names no destination", "write the source and the destination")


def check_sources(inputs: Inputs) -> None:
    """Raises UserError for a COPY or ADD of what isn't in the context, in the stages that the image is built on."""
    files = ContextFiles(inputs)
    for step in inputs.parsed.steps(inputs.target):
        instruction = step.instruction
        if instruction.name in ("COPY", "ADD") and "from" not in instruction.flags and not instruction.heredocs:
            for word in step.words()[:-1]:
                if not (instruction.name == "ADD" and ADDRESS.match(word)):
                    sources(files, instruction, word)


def sources(files: ContextFiles, instruction: Instruction, word: str) -> list[Source]:
    """The files and folders of the context that a source names. Raises UserError if there are none, as in Docker."""
    inputs = files.inputs
    found = _named(inputs, instruction, files, word)
    missing = next((source.path for source in found if not files.has(source.path)), None)
    if missing is None:
        return found
    hint = f"there is no {missing} in {inputs.context}"
    if (inputs.context.parent / missing).exists():
        hint += (
            f", but in {inputs.context.parent}: make that image.context, and name the Dockerfile in image.dockerfile"
        )
    if (inputs.context / missing).exists():
        hint = "it is left out of the image: .dockerignore names it, or `data:` does, which is uploaded instead"
    if missing != clean(word):
        hint = f"{clean(word)} leads there by a link; {hint}"
    raise _failed(inputs, instruction, f'"/{missing}" isn\'t in the build context', hint)


def _named(inputs: Inputs, instruction: Instruction, files: ContextFiles | StageFiles, word: str) -> list[Source]:
    try:
        return named(files, word)
    except BadPattern as error:
        raise _failed(inputs, instruction, f"syntax error in pattern {error}", "check its [ ] and \\") from None
    except Outside:
        raise _failed(inputs, instruction, f"{word}: too many links", "a link leads to itself") from None
