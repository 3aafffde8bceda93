"""Images without a container engine: the context as the build would see it, in a folder, started as a process.

"Building" copies the context as .dockerignore leaves it to HOME/images/<hex>/rootfs and writes config.json with what
the Dockerfile says of ENTRYPOINT, CMD and ENV. "Pushing" puts a manifest into the embedded ECR whose digest is <hex>.

What this isn't: nothing in the Dockerfile is run. RUN, USER, the base image and its packages don't exist, so the
program finds the Python (or other tools) of this machine. An init program before it (tini) is left out. COPY and ADD of
the last stage from the context to a place below WORKDIR are followed; those from other stages, from addresses and to
elsewhere are left out, with a word.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import posixpath
import shutil
import tempfile
from pathlib import Path

from reconciler.aws.calls import Aws
from reconciler.core.errors import ReconcilerError
from reconciler.image.dockerfile import Start, start_of
from reconciler.image.engine import BuildRequest, Output, PushRequest
from reconciler.image.inputs import Inputs, snapshot
from reconciler.image.manifest import OCI_MANIFEST, Manifest, put_manifest, record_annotation
from reconciler.local.beneath import Outside, copy_beneath


class ProcessEngine:
    """See `reconciler.image.engine.Engine`. home: the embedded AWS's folder; aws: the embedded AWS."""

    name = "processes of this machine, without a container engine"

    def __init__(self, home: Path, aws: Aws) -> None:
        self._images = home / "images"
        self._aws = aws

    def find(self, request: BuildRequest) -> str | None:
        """The digest of the image with these inputs, if its folder is there."""
        digest = _manifest(request.inputs).digest
        return digest if self.has(digest) else None

    def has(self, digest: str) -> bool:
        """Whether an image was made here."""
        folder = self._folder(digest)
        return (folder / "rootfs").is_dir() and not (folder.is_symlink() or (folder / "rootfs").is_symlink())

    def build(self, request: BuildRequest, output: Output) -> str:
        """Make the image's folder, whole or not at all. Raises PlanDrift, ReconcilerError."""
        manifest = _manifest(request.inputs)
        folder = self._folder(manifest.digest)
        self._images.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self._images))
        try:
            snapshot(request.inputs, unfinished / "context")
            _lay_out(request.inputs, unfinished / "context", unfinished / "rootfs", output)
            shutil.rmtree(unfinished / "context", ignore_errors=True)
            (unfinished / "config.json").write_text(_config(request.inputs))
            if not (_start(request.inputs).entrypoint or _start(request.inputs).command):
                output(f"{request.inputs.dockerfile.name} has no ENTRYPOINT and no CMD: the task needs a command")
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

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """Register the folder's manifest in the embedded ECR."""
        manifest = Manifest((self._folder(image) / "manifest.json").read_text(), OCI_MANIFEST)
        put_manifest(self._aws, request.repository, manifest, request.tag)
        return manifest.digest

    def _folder(self, digest: str) -> Path:
        return self._images / digest.removeprefix("sha256:")


def _start(inputs: Inputs) -> Start:
    return start_of(inputs.parsed, inputs.target)


def _without_init(words: tuple[str, ...]) -> list[str]:
    """The program itself, without what only serves process 1 of a container: tini, dumb-init, env --block-signal."""
    rest = list(words)
    name = posixpath.basename(rest[0]) if rest else ""
    if name in ("tini", "tini-static", "dumb-init", "catatonit"):
        return rest[rest.index("--") + 1 :] if "--" in rest else [w for w in rest[1:] if not w.startswith("-")]
    if name == "env" and len(rest) > 1 and rest[1].startswith("--block-signal"):
        return rest[2:]
    return rest


def _config(inputs: Inputs) -> str:
    start = _start(inputs)
    config = {
        "entrypoint": _without_init(start.entrypoint) if start.entrypoint else None,
        "cmd": list(start.command) if start.command else None,
        "env": dict(start.environment),
        "workdir": start.workdir,
    }
    return json.dumps(config, sort_keys=True)


def _manifest(inputs: Inputs) -> Manifest:
    """A manifest that follows from the inputs alone, so that the same inputs have the same digest."""
    config = _config(inputs).encode()
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


def _lay_out(inputs: Inputs, context: Path, rootfs: Path, output: Output) -> None:
    """Put the files where the last stages' COPYs put them, WORKDIR standing for the top of the image."""
    top = _start(inputs).workdir
    rootfs.mkdir(mode=0o755)
    copied = False
    workdir = "/"
    for step in inputs.parsed.steps(inputs.target):
        instruction = step.instruction
        if instruction.name == "WORKDIR":
            workdir = posixpath.normpath(posixpath.join(workdir, step.fill(instruction.rest)))
        elif instruction.name in ("COPY", "ADD"):
            words = step.words()
            target = posixpath.normpath(posixpath.join(workdir, words[-1])) if len(words) > 1 else ""
            inside = posixpath.relpath(target, top) if target else ".."
            sources = [match for word in words[:-1] for match in _matches(inputs, word)]
            if "from" in instruction.flags or inside.startswith("..") or not sources or instruction.heredocs:
                output(f"not followed without a container engine: {instruction.name} {instruction.rest}")
                continue
            into_folder = words[-1].endswith("/") or words[-1] == "." or len(sources) > 1
            try:
                for source in sources:
                    copy_beneath(context / source, rootfs, inside, top, into_folder=into_folder)
            except Outside:
                output(f"not followed, since a link leads out of the image: {instruction.name} {instruction.rest}")
            copied = True
    if not copied:
        shutil.copytree(context, rootfs, symlinks=True, dirs_exist_ok=True)


def _matches(inputs: Inputs, word: str) -> list[str]:
    """Paths of the context, files and folders, that a COPY's source names."""
    wanted = posixpath.normpath(word.lstrip("/") or ".")
    if wanted == ".":
        return ["."]
    paths = set()
    for entry in inputs.entries:
        parts = entry.path.split("/")
        paths |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    depth = wanted.count("/")
    return sorted(path for path in paths if path.count("/") == depth and fnmatch.fnmatchcase(path, wanted))
