"""`${git.sha}` is about the folder of deploy.yaml, whatever git is pointed at; and where it isn't known, why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import version as git
from reconciler.image.source import work_tree

ROOT = Path(__file__).parents[2]
FILE = "name: prices\nimage: {uri: nginx}\ntask: {cpu: 256, memory: 512, environment: {SHA: '${git.sha}'}}\n"
IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]


def run(folder: Path, *command: str, **environ: str) -> tuple[int, str]:
    """Exit code and all that a command says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    given = clean | {"PYTHONPATH": str(ROOT), "HOME": str(folder), "PYTHON": sys.executable} | environ
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def show(folder: Path, **environ: str) -> tuple[int, str]:
    return run(folder, sys.executable, "-m", "reconciler", "show", **environ)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the project in jobs/train, and beside it another repository."""
    for name in ("ours", "other"):
        (tmp_path / name / "jobs/train").mkdir(parents=True)
        (tmp_path / name / "jobs/train/deploy.yaml").write_text(FILE)
        run(tmp_path / name, "git", "init", "-q")
        run(tmp_path / name, "git", "add", ".")
        code, output = run(tmp_path / name, "git", *IDENTITY, "commit", "-qm", name)
        assert code == 0, output
    return tmp_path / "ours/jobs/train"


def head(folder: Path) -> str:
    return run(folder, "git", "rev-parse", "HEAD")[1].strip()


def test_hook_of_another_work_tree(project: Path, tmp_path: Path) -> None:
    """git runs a hook of a linked work tree with GIT_DIR and GIT_INDEX_FILE set, at the top of it."""
    tree = tmp_path / "linked"
    assert run(project, "git", "worktree", "add", "-q", str(tree))[0] == 0
    hook = tmp_path / "ours/.git/hooks/post-commit"
    hook.write_text('#!/bin/sh\ncd jobs/train && "$PYTHON" -m reconciler show > "$OUT" 2>&1\n')
    hook.chmod(0o755)
    (tree / "new").write_text("x")
    run(tree, "git", "add", ".")
    out = tmp_path / "out.txt"
    code, output = run(tree, "git", *IDENTITY, "commit", "-qm", "second", OUT=str(out))
    assert code == 0, output
    assert f"SHA: {head(tree)}\n" in out.read_text()  # clean, as it is


@pytest.mark.parametrize("name", git.ELSEWHERE)
def test_what_points_elsewhere_is_not_followed(
    name: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = head(project)
    other = tmp_path / "other"
    elsewhere = {"GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": str(other / ".git/index"), "GIT_PREFIX": "jobs/"}
    monkeypatch.setenv(name, elsewhere.get(name, str(other / ".git")))
    assert git.commit(project) == wanted
    tree = work_tree(project)
    assert tree is not None
    assert (tree.commit, tree.changed) == (wanted, ())


def test_folder_of_another_user(project: Path) -> None:
    """The variable is git's own, for its tests."""
    code, output = show(project, GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert code == 2
    assert "git.sha is not known: git refuses this folder, since it belongs to another user (safe.directory)" in output
    assert f"`git config --global --add safe.directory {project.parents[1]}`" in output
    assert "commit first" not in output
    code, output = run(project, sys.executable, "-m", "reconciler", "doctor", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert "NG    git: git refuses this folder" in output
    allowed = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    assert f"SHA: {head(project)}" in show(project, GIT_TEST_ASSUME_DIFFERENT_OWNER="1", **allowed)[1]


def program(folder: Path, text: str) -> str:
    folder.mkdir()
    (folder / "git").write_text(text)
    (folder / "git").chmod(0o755)
    return str(folder)


def test_each_cause_is_said(project: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "git.sha is not known: git isn't installed" in show(project, PATH=str(tmp_path / "empty"))[1]
    broken = program(tmp_path / "broken", "#!/bin/sh\necho 'fatal: out of ideas' >&2\nexit 3\n")
    assert "git.sha is not known: git says: fatal: out of ideas" in show(project, PATH=f"{broken}:/usr/bin:/bin")[1]
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/deploy.yaml").write_text(FILE)
    assert "git.sha is not known: this folder isn't in a git repository" in show(tmp_path / "bare")[1]
    run(tmp_path / "bare", "git", "init", "-q")
    output = show(tmp_path / "bare")[1]
    assert "git.sha is not known: this folder isn't in a git repository with a commit" in output
    assert "commit first" in output


def test_bad_file_of_a_repository(project: Path) -> None:
    (project.parents[1] / ".git/config").write_text("[core\n")
    output = show(project)[1]
    assert "git.sha is not known: git says: fatal: bad config line 1" in output
    assert "commit first" not in output


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.UTF-8", "en_US.ISO-8859-1"])
def test_any_locale(locale: str, project: Path) -> None:
    name = project / "caf\u00e9.txt"
    name.write_text("x")
    assert f"SHA: {head(project)}-dirty" in show(project, LC_ALL=locale, LANGUAGE="de")[1]


def test_name_that_is_no_text_is_seen_as_changed(project: Path) -> None:
    (project / os.fsdecode(b"caf\xe9")).write_text("x")
    tree = work_tree(project)
    assert tree is not None
    assert tree.changed == (os.fsdecode(b"caf\xe9"),)


def test_commit_that_is_only_noted(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git.commit_or_none(project) == head(project)
    (tmp_path / "bare").mkdir()
    assert git.commit_or_none(tmp_path / "bare") == ""
    monkeypatch.setenv("PATH", str(tmp_path / "bare"))
    assert git.commit_or_none(project) == ""


def test_what_the_settings_of_a_repository_have_watch_it_is_not_run(project: Path, tmp_path: Path) -> None:
    """A folder unpacked from elsewhere may have a .git of its own."""
    run(project, "git", "config", "core.fsmonitor", f"touch '{tmp_path / 'ran'}' #")
    git.commit(project)
    assert not (tmp_path / "ran").exists()
    run(project, "git", "status")
    assert (tmp_path / "ran").exists(), "git itself runs it"
