"""Which version this is, and which commit it was made from."""

from __future__ import annotations

import json
import os
from pathlib import Path

from reconciler import __version__
from reconciler.core.job_token import without_tokens

PACKAGE = Path(__file__).parent
COMMIT = PACKAGE / "commit.txt"  # written into a wheel when it is built (setup.py), never committed


def version() -> str:
    """`0.1.0 (commit 03da12726bb0)`; `-dirty` behind a checkout with changes; `commit unknown` if nothing tells."""
    known_commit = _built() or _checkout() or _installed() or "unknown"
    short = known_commit[:12] + ("-dirty" if known_commit.endswith("-dirty") else "")
    return f"{__version__} (commit {short if known_commit != 'unknown' else known_commit})"


def _built() -> str:
    return COMMIT.read_text(encoding="utf-8").strip() if COMMIT.is_file() else ""


def _checkout() -> str:
    if not (PACKAGE.parent / ".git").exists():
        return ""
    return commit_or_none(PACKAGE.parent)


def _installed() -> str:
    """The commit that pip notes when it installs from git (PEP 610)."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution("reconciler").read_text("direct_url.json")
        return str(json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", ""))
    except (PackageNotFoundError, ValueError):
        return ""


SECONDS = 30.0  # for an answer
# What points git at another repository, as `git rev-parse --local-env-vars` lists it. Settings (GIT_CONFIG_…) stay.
ELSEWHERE = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE", "GIT_INTERNAL_SUPER_PREFIX",
)  # fmt: skip


class NoAnswer(Exception):
    """git gives no commit. `message`: why, to follow "git.sha is not known: "; `fix`: what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


class NoCommit(NoAnswer):
    """git is as it should be, and there is no commit."""


def commit(folder: Path) -> str:
    """The full hash of HEAD, with `-dirty` when tracked or new files differ from it. Raises NoAnswer."""
    head = run(folder, "rev-parse", "--verify", "HEAD").strip()
    try:
        # New files count too: a build sends them as it sends the others.
        return f"{head}-dirty" if run(folder, "status", "--porcelain") else head
    except NoAnswer:
        return f"{head}-dirty"


def commit_or_none(folder: Path) -> str:
    """The same; empty where there is none to be had, whyever: for what a commit is only noted in."""
    try:
        return commit(folder)
    except NoAnswer:
        return ""


def run(folder: Path, *arguments: str) -> str:
    """What git says about a folder; bytes that are no text as Python keeps those of names. Raises NoAnswer."""
    # Without optional locks, since reading must not write the index; and without the program that the settings of a
    # repository, which may come from elsewhere, can have watch its files.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    environment = {name: value for name, value in without_tokens(os.environ).items() if name not in ELSEWHERE}
    environment |= {"LC_ALL": "C", "LANGUAGE": ""}  # its words are read
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, env=environment)  # noqa: S603
    except FileNotFoundError:
        raise NoAnswer("git isn't installed", "install git") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"git didn't answer within {SECONDS:.0f} s", "look at `git status` there") from None
    except OSError as error:
        raise NoAnswer(f"git can't be run: {error.strerror}", "look at `git --version`") from None
    if done.returncode == 0:
        return os.fsdecode(done.stdout)
    raise _no_answer(folder, done.stderr.decode("utf-8", "replace"))


def _no_answer(folder: Path, said: str) -> NoAnswer:
    if "dubious ownership" in said:
        # git itself names the folder to allow, which is the top of the work tree.
        command = next((line.strip() for line in said.splitlines() if "--add safe.directory" in line), "")
        allow = command or f"git config --global --add safe.directory {folder.resolve()}"
        return NoAnswer("git refuses this folder, since it belongs to another user (safe.directory)", f"`{allow}`")
    if "not a git repository" in said:
        return NoCommit("this folder isn't in a git repository", "`git init` and commit")
    if "Needed a single revision" in said:
        return NoCommit("this folder isn't in a git repository with a commit", "commit first")
    lines = [line for line in said.splitlines() if line.strip()]
    first = "".join(char if char.isprintable() else " " for char in (lines or ["nothing"])[0])[:200]
    return NoAnswer(f"git says: {first}", "look at `git status` there")
