"""The wheel as it is released: built, installed into an environment of its own, and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import reconciler
from reconciler import version
from tests.cli.conftest import DEPLOY, DOCKERFILE, PROGRAM
from tests.linters import actionlint, zizmor

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what is committed, and of what isn't yet."""
    source, out = tmp_path_factory.mktemp("source") / "tree", tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        if name.startswith("reconciler/") or name in ("pyproject.toml", "setup.py", "README.md"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
    ]
    subprocess.run([*build, str(source)], check=True, env={**os.environ, "SOURCE_COMMIT": "0123456789abcdef" * 2})
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands' folder of an environment that has the wheel, and this one's libraries for its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    # A plain path: the .pth files in it, which lead to this checkout, aren't read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run(program: Path, *arguments: str, cwd: Path) -> str:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FORCE_COLOR")}
    environ = kept | {"RECONCILER_LOCAL_ENGINE": "process"}
    done = subprocess.run([str(program), *arguments], cwd=cwd, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_all_that_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = {name for name in names if name.startswith("reconciler/") and not name.endswith(".py")}
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "reconciler").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert data == {*there, "reconciler/commit.txt"}
    assert {name.split("/")[0] for name in names} == {"reconciler", f"reconciler-{reconciler.__version__}.dist-info"}


@pytest.mark.long
def test_it_runs_from_an_environment_of_its_own(installed: Path, tmp_path: Path) -> None:
    program = installed / "reconciler"
    where = run(installed / "python", "-c", "import reconciler; print(reconciler.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    expected = f"reconciler {reconciler.__version__} (commit 0123456789ab)\n"
    assert run(program, "--version", cwd=tmp_path) == expected
    assert run(installed / "python", "-m", "reconciler", "--version", cwd=tmp_path) == expected
    assert run(program, "--help", cwd=tmp_path).startswith("usage: reconciler ")
    (tmp_path / "deploy.yaml").write_text(DEPLOY)
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "prices.csv").write_text("a\n1\n")
    assert "retention_days: 1" in run(program, "show", cwd=tmp_path)
    assert "Plan: 11 to create." in run(program, "plan", "--local", cwd=tmp_path)
    assert "stopped" in run(program, "local", "stop", cwd=tmp_path)


def test_a_checkout_tells_its_commit_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    if head:
        assert re.fullmatch(rf"{re.escape(reconciler.__version__)} \(commit {head[:12]}(-dirty)?\)", version.version())
    monkeypatch.setattr(version, "PACKAGE", tmp_path / "reconciler")
    monkeypatch.setattr(version, "COMMIT", tmp_path / "reconciler" / "commit.txt")
    assert version.version().endswith("(commit unknown)")


def test_the_changelog_and_the_release_workflow_know_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## Unreleased$", changelog, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", reconciler.__version__)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_what_they_use_and_ask_for_little(path: Path) -> None:
    workflow = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # `on` stays a text
    assert workflow["permissions"] == {}, "each job names its own"
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
                line = next(line for line in path.read_text().splitlines() if step["uses"] in line)
                assert re.search(r"# v\d+", line), f"{step['uses']}: no version beside it"
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] == "false"


def test_linters_find_nothing() -> None:
    assert actionlint(*WORKFLOWS) == ""
    assert zizmor(*WORKFLOWS) == ""
