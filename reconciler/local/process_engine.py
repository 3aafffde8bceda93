"""Images without a container engine: the files that the build would make, in a folder, started as a process.

"Building" lays out what COPY and ADD put into the image at HOME/images/<hex>/rootfs (see `layout`), installs the Python
packages that it installs (see `environments`), and writes config.json: ENTRYPOINT, CMD, ENV, WORKDIR, where its Python
is, and what of the Dockerfile was not done. "Pushing" puts a manifest into the embedded ECR whose digest is <hex>.

What this isn't: no other RUN is done, and USER, the base image and its packages don't exist, so the program finds the
Python (or other tools) of this machine. An init program before it (tini) is left out.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import ReconcilerError, UserError
from reconciler.image import dockerfile
from reconciler.image.engine import BuildRequest, Output, PushRequest
from reconciler.image.inputs import Inputs, snapshot
from reconciler.image.manifest import OCI_MANIFEST, Manifest, put_manifest, record_annotation
from reconciler.local.base_images import Base, Has, base_of
from reconciler.local.environments import Environments
from reconciler.local.layout import Laid, check_instructions, check_sources, lay_out

PYTHON = f"Python {sys.version_info[0]}.{sys.version_info[1]} of this machine"
PYTHON_PROGRAM = re.compile(r"python3?(?:\.\d+)?|pip3?|uv")
SHELLS = frozenset(("sh", "bash", "ash", "dash"))
# Programs of other languages, which nothing that is done here could bring.
OTHERS = {
    "node": "Node.js", "nodejs": "Node.js", "npm": "Node.js", "npx": "Node.js", "yarn": "Node.js", "pnpm": "Node.js",
    "bun": "Bun", "deno": "Deno", "java": "Java", "go": "Go", "cargo": "Rust", "ruby": "Ruby", "bundle": "Ruby",
    "php": "PHP", "Rscript": "R", "R": "R", "julia": "Julia", "dotnet": ".NET",
}  # fmt: skip


@dataclass(frozen=True)
class Start:
    """What a task has instead of the image's ENTRYPOINT and CMD; None or empty for the image's."""

    entrypoint: Sequence[str] | None = None
    command: Sequence[str] | None = None


class ProcessEngine:
    """See `reconciler.image.engine.Engine`. home: the embedded AWS's folder; aws: the embedded AWS.

    start: how the task starts the image.
    """

    name = "processes of this machine, without a container engine"

    def __init__(self, home: Path, aws: Aws, start: Start | None = None) -> None:
        self._start = start or Start()
        self._images = home / "images"
        self._environments = Environments(home / "environments")
        self._aws = aws

    def find(self, request: BuildRequest) -> str | None:
        """The digest of the image with these inputs, if its folder is there."""
        digest = _manifest(request.inputs).digest
        return digest if self.has(digest) else None

    def has(self, digest: str) -> bool:
        """Whether an image was made here."""
        folder = self._folder(digest)
        return (folder / "rootfs").is_dir() and not (folder.is_symlink() or (folder / "rootfs").is_symlink())

    def check(self, inputs: Inputs) -> None:
        """Raises UserError for an image that can't be made here, as far as that is known before."""
        check_instructions(inputs)
        refuse(inputs, self._start)
        check_sources(inputs)

    def build(self, request: BuildRequest, output: Output) -> str:
        """Make the image's folder, whole or not at all. Raises UserError, PlanDrift, ReconcilerError."""
        self.check(request.inputs)
        manifest = _manifest(request.inputs)
        folder = self._folder(manifest.digest)
        self._images.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self._images))
        try:
            snapshot(request.inputs, unfinished / "context")
            (unfinished / "stages").mkdir()
            laid = lay_out(request.inputs, unfinished / "context", unfinished / "stages")
            if not (_start(request.inputs).entrypoint or _start(request.inputs).command):
                output(f"{request.inputs.dockerfile.name} has no ENTRYPOINT and no CMD: the task needs a command")
            environment = self._install(laid, request, output)
            laid.root.rename(unfinished / "rootfs")
            for name in ("context", "stages"):
                shutil.rmtree(unfinished / name, ignore_errors=True)
            (unfinished / "config.json").write_text(
                json.dumps(_settings(request.inputs) | _made_here(request.inputs, laid, environment), sort_keys=True)
            )
            (unfinished / "manifest.json").write_text(manifest.text)
            unfinished.chmod(0o755)
            try:
                unfinished.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another command has just made the same
                    raise
        except OSError as error:
            raise ReconcilerError(f"the image can't be written to {self._images}: {error}") from None
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return manifest.digest

    def _install(self, laid: Laid, request: BuildRequest, output: Output) -> Path | None:
        """The image's own environment, if its Dockerfile installs packages."""
        return (
            self._environments.make(laid.installs, laid.root, output, request.is_interrupted) if laid.installs else None
        )

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """Register the folder's manifest in the embedded ECR."""
        manifest = Manifest((self._folder(image) / "manifest.json").read_text(), OCI_MANIFEST)
        put_manifest(self._aws, request.repository, manifest, request.tag)
        return manifest.digest

    def _folder(self, digest: str) -> Path:
        return self._images / digest.removeprefix("sha256:")


def _start(inputs: Inputs) -> dockerfile.Start:
    return dockerfile.start_of(inputs.parsed, inputs.target)


def _without_init(words: tuple[str, ...]) -> list[str]:
    """The program itself, without what only serves process 1 of a container: tini, dumb-init, env --block-signal."""
    program = list(words)
    name = posixpath.basename(program[0]) if program else ""
    if name in ("tini", "tini-static", "dumb-init", "catatonit"):
        return (
            program[program.index("--") + 1 :] if "--" in program else [w for w in program[1:] if not w.startswith("-")]
        )
    if name == "env" and len(program) > 1 and program[1].startswith("--block-signal"):
        return program[2:]
    return program


def _settings(inputs: Inputs) -> dict[str, Any]:
    """How the image is started, which follows from its inputs alone."""
    start = _start(inputs)
    return {
        "entrypoint": _without_init(start.entrypoint) if start.entrypoint else None,
        "cmd": list(start.command) if start.command else None,
        "env": dict(start.environment),
        "workdir": start.workdir,
    }


def _made_here(inputs: Inputs, laid: Laid, environment: Path | None) -> dict[str, Any]:
    """What was made of it on this machine: its environment, if it has one, and what wasn't done."""
    return {
        "python": str(environment) if environment else None,
        "environments": sorted(set(laid.places)),
        "not_done": not_done(inputs, laid),
    }


def not_done(inputs: Inputs, laid: Laid) -> list[str]:
    """What of the Dockerfile isn't done without a container engine, a line each, in the order of the file."""
    undone = dict(laid.undone)
    stage = inputs.parsed.root(inputs.parsed.number(inputs.target))
    if why := _instead(base_of(stage.base)):
        undone[stage.line] = f"FROM {stage.base}: {why}"
    if not laid.installs and undone:
        return [*_in_order(undone), f"the image's packages: the program uses those of {PYTHON}"]
    return _in_order(undone)


def _in_order(undone: Mapping[int, str]) -> list[str]:
    return [f"line {line}: {text}" for line, text in sorted(undone.items())]


def _instead(base: Base) -> str:
    """What stands in for a base image; empty where that is as good."""
    if base.has is Has.PYTHON and base.python == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return ""
    if base.has is Has.PYTHON:
        return f"{PYTHON} runs the program" + ("" if base.python else ", not the one in the image")
    return "it isn't a Python image; programs of this machine are used instead of the image's"


def refuse(inputs: Inputs, task: Start) -> None:
    """Raises UserError for an image whose program can't run without a container engine, as it isn't Python."""
    start = _start(inputs)
    if task.entrypoint:
        words = [*task.entrypoint, *(task.command or ())]
    else:
        words = [*(start.entrypoint or ()), *(task.command or start.command or ())]
    program = _program(_without_init(tuple(words)))
    bases = _bases(inputs)
    other_base = next((base for base in bases if base.has is Has.OTHER), None)
    language = OTHERS.get(program, "")
    if not language and other_base is not None and bases[0].has is not Has.PYTHON:
        runs_here = PYTHON_PROGRAM.fullmatch(program) or program in SHELLS or program.endswith((".sh", ".py"))
        language = "" if runs_here else other_base.language
    if language:
        starts = f"`{program}`, {language}" if program else language
        raise UserError(
            f"this image isn't Python: it needs Docker or Podman ({inputs.dockerfile.name} starts {starts})",
            hint="for --local install Docker (https://docs.docker.com/engine/install) and start it: without it only "
            "Python and shell programs run here. Without --local, in AWS, Docker or Podman builds the image",
        )


def _program(words: Sequence[str]) -> str:
    """The name of the program that a command starts, looking into the text of `sh -c`."""
    name = posixpath.basename(words[0]) if words else ""
    if name in SHELLS and len(words) > 2 and words[1] == "-c":
        text = [word for word in words[2].split() if "=" not in word and word not in ("exec", "set", "-e", "&&")]
        return posixpath.basename(text[0]) if text else name
    return name


def _bases(inputs: Inputs) -> list[Base]:
    """The base images of the stages that the build needs, that of the image itself first."""
    stages = inputs.parsed.stages
    todo, seen, bases = [inputs.parsed.number(inputs.target)], set[int](), list[Base]()
    while todo:
        number = todo.pop(0)
        if number in seen:
            continue
        seen.add(number)
        stage = stages[number]
        if stage.parent is None:
            bases.append(base_of(stage.base))
        else:
            todo.insert(0, stage.parent)
        names = [
            instruction.flags["from"]
            for instruction in stage.instructions
            if instruction.name in ("COPY", "ADD") and "from" in instruction.flags
        ]
        todo += [n for n in range(number) if stages[n].name in names or str(n) in names]
    return bases


def made_for(images: Path, digest: str) -> str:
    """What an image was made for: process or docker; empty where that isn't known."""
    folder = images / digest.removeprefix("sha256:")
    if (folder / "rootfs").is_dir():
        return "process"
    return "docker" if (folder / "docker.json").is_file() else ""


def undone_of(images: Path, inputs: str) -> list[str] | None:
    """What of the Dockerfile wasn't done for the image with these inputs; None if it wasn't made for processes."""
    for manifest in images.glob("*/manifest.json"):
        try:
            annotations = json.loads(manifest.read_text())["annotations"]
        except (OSError, ValueError, KeyError):
            continue
        if annotations.get("reconciler.inputs-hash") == inputs:
            return left_undone(images, manifest.parent.name)
    return None


def left_undone(images: Path, digest: str) -> list[str]:
    """What of an image's Dockerfile wasn't done, if it was made for processes; else nothing."""
    try:
        config = json.loads((images / digest.removeprefix("sha256:") / "config.json").read_text())
        return [str(line) for line in config.get("not_done", ())]
    except (OSError, ValueError, AttributeError):
        return []


def _manifest(inputs: Inputs) -> Manifest:
    """A manifest that follows from the inputs alone, so that the same inputs have the same digest."""
    config = json.dumps(_settings(inputs), sort_keys=True).encode()
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:" + hashlib.sha256(config).hexdigest(),
            "size": len(config),
        },
        "layers": [],
        "annotations": {
            "reconciler.inputs-hash": inputs.hash,
            "reconciler.made-by": "processes",
            **record_annotation(inputs.record),
        },
    }
    return Manifest(json.dumps(document, sort_keys=True, separators=(",", ":")), OCI_MANIFEST)
