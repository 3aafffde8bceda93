"""The project's own image and locks."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from reconciler.image.inputs import read_inputs

ROOT = Path(__file__).parents[2]
LOCKS = ("model", "demo", "dev")


def names(lock: str) -> set[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return set(re.findall(r"^([a-z0-9_.-]+)(?:\[.*?\])?==", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_names_no_index(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert "index" not in text.replace("importlib", "")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert all(re.match(r"[a-z0-9_.-]+==\S+", block) for block in blocks)


def test_locks_agree_and_hold_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        "model": extras["model"],
        "demo": [*project["dependencies"], *extras["model"], *extras["local"]],
        "dev": [*project["dependencies"], *(item for extra in extras.values() for item in extra)],
    }
    for lock, wanted in declared.items():
        found = {re.split(r"[\[<>=~!; ]", item)[0].lower().replace("_", "-") for item in wanted}
        assert found <= names(lock), f"requirements/{lock}.txt is behind pyproject.toml: run `make lock`"
    assert names("model") <= names("demo") <= names("dev")
    lines = [
        set(re.findall(r"^[a-z0-9_.-]+==[^\\\n]*", (ROOT / f"requirements/{lock}.txt").read_text(), re.MULTILINE))
        for lock in LOCKS
    ]
    versions = [{line.split(";")[0].strip() for line in found} for found in lines]
    assert versions[0] <= versions[1] <= versions[2]


def test_model_imports_nothing_that_its_image_lacks() -> None:
    modules = {"xgboost": "xgboost-cpu", "botocore": "boto3"}
    known = names("model") | set(sys.stdlib_module_names) | {"model"}
    missing = set()
    for file in (ROOT / "model").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                found = [node.module or ""]
            for name in (name.split(".")[0] for name in found):
                if modules.get(name, name) not in known:
                    missing.add((file.name, name))
    assert missing == set()


def test_image_holds_the_model_and_its_lock_only() -> None:
    inputs = read_inputs(ROOT)
    assert {entry.path.split("/")[0] for entry in inputs.entries} == {"model", "requirements"}
    assert not [entry.path for entry in inputs.entries if entry.path.endswith((".md", ".pyc"))]


def test_dockerfile_is_clean() -> None:
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint has no wheel for this platform")
    answer = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, "")
