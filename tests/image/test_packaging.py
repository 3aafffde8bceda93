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
LOCKS = ("model", "demo", "dev", "docs", "dask", "mlflow", "audit", "ministack", "localemu")
NESTED = LOCKS[:3]  # each holds the one before; docs is installed beside dev, dask instead of model


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def names(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9_.-]+)(?:\[.*?\])?==", text(lock), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_names_no_index(lock: str) -> None:
    content = text(lock)
    assert "://" not in content
    assert "index" not in content.replace("importlib", "")
    blocks = re.split(r"\n(?=\S)", content.strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert all(re.match(r"[a-z0-9_.-]+(\[[a-z,]+\])?==\S+", block) for block in blocks)


def test_locks_agree_and_hold_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        "model": extras["model"],
        "demo": [*project["dependencies"], *extras["model"], *extras["local"]],
        "dev": [*project["dependencies"], *(item for name in ("model", "local", "dev") for item in extras[name])],
        "docs": extras["docs"],
        "dask": [*extras["model"], *extras["dask"]],
    }
    assert extras.keys() == {"model", "local", "dev", "docs", "dask"}
    assert set(extras["dask"]) <= set(extras["dev"])
    for lock, wanted in declared.items():
        required = {re.split(r"[\[<>=~!; ]", item)[0].lower().replace("_", "-") for item in wanted}
        assert required <= names(lock), f"requirements/{lock}.txt is behind pyproject.toml: run `make lock`"
    assert names("model") <= names("demo") <= names("dev")
    assert names("model") <= names("dask") <= names("dev")
    lines = [set(re.findall(r"^[a-z0-9_.-]+(?:\[.*?\])?==[^\\\n]*", text(lock), re.MULTILINE)) for lock in NESTED]
    versions = [{line.split(";")[0].strip() for line in pins} for pins in lines]
    assert versions[0] <= versions[1] <= versions[2]


def test_model_imports_nothing_that_its_image_lacks() -> None:
    modules = {"xgboost": "xgboost-cpu", "botocore": "boto3"}
    known = names("model") | set(sys.stdlib_module_names) | {"model"}
    missing = set()
    for file in (ROOT / "model").rglob("*.py"):
        # model.cluster is loaded only to train on a Dask cluster, and says what to install.
        held = known | ({"dask", "distributed"} if file.name == "cluster.py" else set())
        for node in ast.walk(ast.parse(file.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module or ""]
            for name in (name.split(".")[0] for name in imported):
                if modules.get(name, name) not in held:
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
