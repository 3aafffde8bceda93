from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.image.inputs import read_inputs
from reconciler.image.source import image_spec, not_copied, work_tree


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def commit(context: Path) -> str:
    git(context, "init", "-q")
    git(context, "add", ".")
    git(context, "commit", "-q", "-m", "first")
    return git(context, "rev-parse", "HEAD")


def test_clean_tree(context: Path, commit: str) -> None:
    spec, dirty = image_spec("trainer", context, tags=(commit, "latest"))
    assert dirty == ()
    # What names the commit is given with the image, and isn't missed when another commit has the same inputs.
    assert (spec.tags_wanted, spec.tags_once) == (("latest",), (commit,))
    assert spec.build.labels == {"org.opencontainers.image.revision": commit}


@pytest.mark.parametrize("length", [40, 12, 7])
def test_dirty_tree_is_said_and_tagged(context: Path, commit: str, length: int) -> None:
    (context / "app/__main__.py").write_text("changed")
    (context / "app/new file.py").write_text("new")
    spec, dirty = image_spec("trainer", context, tags=(commit[:length], f"v1-{commit[:length]}", "latest"))
    assert set(dirty) == {"app/__main__.py", "app/new file.py"}
    assert spec.tags_once == (f"{commit[:length]}-dirty", f"v1-{commit[:length]}-dirty")
    assert spec.tags_wanted == ("latest",)
    assert spec.build.labels["org.opencontainers.image.revision"] == f"{commit}-dirty"


def test_changes_that_do_not_go_in_are_not_dirt(context: Path, commit: str) -> None:
    (context / "notes.txt").write_text("changed")
    (context / "other").mkdir()
    (context / "other/x").write_text("x")
    assert image_spec("trainer", context, tags=(commit,))[0].tags_once == (commit,)


def test_context_below_the_top_and_a_rename(context: Path, commit: str) -> None:
    (context / "app/Dockerfile").write_text("FROM scratch\nCOPY . .\n")
    git(context, "mv", "app/__main__.py", "app/main.py")
    _, dirty = image_spec("trainer", context / "app")
    assert set(dirty) == {"Dockerfile", "main.py"}


def test_removed_file_is_dirt(context: Path, commit: str) -> None:
    (context / "app/__main__.py").unlink()
    (context / "app/other.py").write_text("")
    assert "app/__main__.py" in image_spec("trainer", context)[1]


def test_without_git_or_commit(context: Path) -> None:
    assert work_tree(context) is None
    git(context, "init", "-q")
    assert work_tree(context) is None
    spec, dirty = image_spec("trainer", context, tags=("latest",))
    assert (dirty, spec.tags_wanted, spec.build.labels) == ((), ("latest",), {})


@pytest.mark.parametrize("name", ["deploy.yaml", "t.yaml", "#t [1]*?.yaml", "!t\\.yaml"])
def test_the_file_of_the_deploy_is_left_out(context: Path, name: str) -> None:
    (context / ".dockerignore").unlink()
    before = read_inputs(context).hash
    (context / name).write_text("name: tiny\n")
    assert read_inputs(context).hash != before
    assert read_inputs(context, leave_out=not_copied(context, "Dockerfile", [context / name])).hash == before


@pytest.mark.parametrize(
    ("line", "file", "left_out"),
    [
        ("COPY . .", "conf/t.yaml", ["conf/t.yaml"]), ("COPY conf /conf", "conf/t.yaml", []),
        ("COPY t.yaml /", "t.yaml", []), ("COPY *.yaml /conf/", "t.yaml", []), ("COPY u.yaml /", "t.yaml", ["t.yaml"]),
        ("ARG CONF\nCOPY $CONF /conf", "conf/t.yaml", []), ("ARG OTHER=o\nCOPY $OTHER /o", "t.yaml", ["t.yaml"]),
        ("COPY . .", "../t.yaml", []), ("COPY . .", "link.yaml", ["link.yaml", "t.yaml"]),
    ],
)  # fmt: skip
def test_which_files_of_a_deploy_are_left_out(context: Path, line: str, file: str, left_out: list[str]) -> None:
    (context / "Dockerfile").write_text(f"FROM scratch\n{line}\n")
    (context / "link.yaml").symlink_to("t.yaml")
    assert not_copied(context, "Dockerfile", [context / file], {"CONF": "conf"}) == left_out
    assert not_copied(context, "none", [context / "t.yaml"]) == ["t.yaml"], "no Dockerfile is said elsewhere"
