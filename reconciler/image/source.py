"""From the `image:` of deploy.yaml to the spec: reads the inputs and the state of the git work tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler import version as git
from reconciler.image.base import base_here
from reconciler.image.dockerfile import copies
from reconciler.image.in_use import UsedBy
from reconciler.image.inputs import Inputs, shown
from reconciler.image.kind import Build, ImageSpec

PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}


@dataclass(frozen=True)
class WorkTree:
    """The git commit of a folder; `changed`: its files that differ from the commit, relative to it."""

    commit: str
    changed: tuple[str, ...]


def work_tree(folder: Path) -> WorkTree | None:
    """The state of the git work tree that a folder is in, or None without git, repository or commit."""
    try:
        answer = git.run(folder, "status", "--porcelain=v2", "--branch", "-z", "--", ".")
    except git.NoAnswer:
        return None
    top = next((parent for parent in (folder.resolve(), *folder.resolve().parents) if (parent / ".git").exists()), None)
    below = folder.resolve().relative_to(top).parts if top else ()
    prefix = "/".join((*below, ""))  # git names files from the top of the work tree
    commit, changed, fields = "", [], iter(answer.split("\0"))
    for entry in fields:
        if entry.startswith("# branch.oid "):
            commit = entry.removeprefix("# branch.oid ")
        elif entry[:2] in ("1 ", "u ", "2 ", "? "):
            changed.append(entry.split(" ", {"1": 8, "2": 9, "u": 10, "?": 1}[entry[0]])[-1].removeprefix(prefix))
            if entry.startswith("2 "):
                next(fields, None)  # a rename is followed by the old name
    return WorkTree(commit, tuple(changed)) if commit not in ("", "(initial)") else None


def image_spec(
    repository: str,
    context: Path,
    *,
    dockerfile: str = "Dockerfile",
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
    platform: str = "X86_64",
    tags: Sequence[str] = ("latest",),
    leave_out: Sequence[str] = (),
    fixed_tags: bool = False,
    moving_tags: Sequence[str] = (),
    used_by: UsedBy | None = None,
    compression: str | None = None,
    scanned: bool = False,
) -> tuple[ImageSpec, tuple[str, ...]]:
    """The spec of an image that is built, and the changed files of the work tree that go into it.

    repository: its name; platform: as in `task.platform`; leave_out: paths of the context that never belong to it.
    fixed_tags: whether tags can't move, but for the patterns moving_tags; then a newer base image on this machine is no
    change, since the tag of the inputs would have to move. used_by: who needs it, where ECR deletes old images.
    compression: gzip or zstd, if the user chose it; scanned: whether nothing runs without a scan, which ECR's basic one
    isn't known to make of zstd.
    Where changed files go in, a tag that holds the commit gets `-dirty`.
    Raises UserError.
    """
    build = Build(
        context=str(context), dockerfile=dockerfile, target=target, build_args=dict(build_args or {}),
        platform=PLATFORMS[platform], leave_out=tuple(leave_out), fixed_tags=fixed_tags, moving_tags=tuple(moving_tags),
        compression=compression, zstd=compression == "zstd" or (compression is None and not scanned),
    )  # fmt: skip
    inputs = build.inputs()
    tree = work_tree(context)
    dirty: tuple[str, ...] = ()
    labels = {}
    if tree is not None:
        dirty = tuple(name for name in tree.changed if _goes_in(name, inputs, dockerfile))
        labels["org.opencontainers.image.revision"] = tree.commit + ("-dirty" if dirty else "")
    tag_names = tuple(dict.fromkeys(_dirty_tag(tag, tree, bool(dirty)) for tag in tags))
    tags_wanted = tuple(tag for tag in tag_names if not _names_commit(tag, tree))
    base = "" if fixed_tags else base_here(inputs.parsed.bases(target))
    build = build.model_copy(update={"labels": labels, "files": dict(inputs.record), "base": base})
    tags_once = tuple(tag for tag in tag_names if tag not in tags_wanted)
    spec = ImageSpec(
        name=repository, inputs=inputs.hash, tags_wanted=tags_wanted, tags_once=tags_once, used_by=used_by, build=build
    )
    return spec, tuple(map(shown, dirty))


def not_copied(
    context: Path, dockerfile: str, files: Iterable[Path], arguments: Mapping[str, str] | None = None
) -> list[str]:
    """Those of the files that are in the context and that the Dockerfile doesn't copy by name, as patterns of
    .dockerignore: a link and what it points to. arguments: the build arguments.
    """
    folder = context.resolve()
    try:
        text = (context / dockerfile).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""  # said where the image's inputs are read
    places = dict.fromkeys(place for file in files for place in (file.parent.resolve() / file.name, file.resolve()))
    inside = [place.relative_to(folder).as_posix() for place in places if place.is_relative_to(folder)]
    return [re.sub(r"([\\*?\[\]!#])", r"\\\1", path) for path in inside if not copies(text, path, arguments)]


def _goes_in(name: str, inputs: Inputs, dockerfile: str) -> bool:
    """Whether a changed path of the context (a new folder ends in a slash; a removed file counts) is an input."""
    if name.endswith("/"):
        return any(entry.path.startswith(name) for entry in inputs.entries)
    return name in (dockerfile, ".dockerignore") or not inputs.ignore.ignores(name)


def _dirty_tag(tag: str, tree: WorkTree | None, dirty: bool) -> str:
    """The tag, with `-dirty` if it names the commit (seven or more of its digits) and the tree isn't that commit."""
    if not dirty or tag.endswith("-dirty"):
        return tag
    return f"{tag}-dirty" if _names_commit(tag, tree) else tag


def _names_commit(tag: str, tree: WorkTree | None) -> bool:
    return tree is not None and tree.commit[:7] in tag
