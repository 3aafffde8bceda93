"""Steps 1 to 3 of docs/adding-a-kind.md, done to a copy of the repository: the tests of all kinds need no more."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.image.kind import EVERY_KIND

ROOT = Path(__file__).resolve().parents[2]
KIND = "instance-profile"
# What others read of a kind, asked as they ask it.
READERS = """
from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.core.plan import Action, Step
from reconciler.core.spec import Address
from reconciler.engine.ownership_record import valid
from reconciler.kinds import KINDS, InstanceProfile, InstanceProfileSpec
from reconciler.permissions import policies
from reconciler.permissions.preflight import needed

want = InstanceProfileSpec(name="mine", role="a")
create = {"iam:CreateInstanceProfile", "iam:TagInstanceProfile"}
assert needed(Step(action=Action.CREATE, address=want.address, want=want)) == create
names = Names(Deploy.model_validate({"name": "tiny", "image": {"uri": "x"}}).filled(), Facts("1" * 12, "aws", "v", ()))
grants = policies.for_command("apply", names, [want])
one = "arn:aws:iam::111111111111:instance-profile/mine"
assert {g.action for g in grants if g.resource == one} == create | {
    "iam:AddRoleToInstanceProfile", "iam:GetInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
    "iam:UntagInstanceProfile",
}
assert valid(want.address) and not valid(Address(want.kind, "a/b"))
assert [kind.patience for kind in KINDS if kind.spec is InstanceProfileSpec] == [60.0]
"""


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs/adding-a-kind.md").read_text(), re.DOTALL)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_page_shows_the_kind_as_it_is() -> None:
    assert blocks()[0] == (ROOT / "reconciler/kinds/iam_instance_profile.py").read_text()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's code and tests, with the kind of the page."""
    leave = shutil.ignore_patterns("__pycache__", "golden")
    for folder in ("reconciler", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file, line, sample = blocks()
    kinds, tests = tmp_path / "reconciler/kinds", tmp_path / "tests/kinds"
    # Without the kind that the page adds, which is there by now.
    (kinds / "iam_instance_profile.py").unlink()
    replace(kinds / "__init__.py", line, "")
    replace(kinds / "__init__.py", "InstanceProfile(), ", "")
    replace(tests / "samples_iam.py", sample, "")
    replace(tests / "samples.py", "instance_profile, ", "")
    replace(tests / "samples.py", f'    "{KIND}": instance_profile,\n', "")
    (kinds / "iam_instance_profile.py").write_text(file)
    replace(
        kinds / "__init__.py",
        "from reconciler.kinds.iam_oidc_provider",
        f"{line}from reconciler.kinds.iam_oidc_provider",
    )
    replace(kinds / "__init__.py", "User(), ", "User(), InstanceProfile(), ")
    with (tests / "samples_iam.py").open("a") as samples:
        samples.write(f"\n\n{sample}")
    replace(tests / "samples.py", "SAMPLES: ", "from tests.kinds.samples_iam import instance_profile\n\nSAMPLES: ")
    replace(tests / "samples.py", '    "user": user,\n', f'    "user": user,\n    "{KIND}": instance_profile,\n')
    return tmp_path


def python(copy: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_a_kind_is_one_file_the_tuple_and_a_sample(copy: Path) -> None:
    """The contract, what holds of all kinds' permissions, and who reads a kind."""
    python(copy, READERS)
    tests = "'tests/kinds/test_contract.py', 'tests/permissions/test_policies.py', 'tests/test_architecture.py'"
    chosen = f"'-k', '{KIND} or iam_instance_profile or test_every_kind_has or test_every_kind_is'"
    out = python(copy, f"import pytest, sys; sys.exit(pytest.main([{tests}, {chosen}]))")
    assert " failed" not in out
    assert "undeclared" not in out


KINDS = {kind.spec.kind for kind in EVERY_KIND}
# The kinds, what makes them for a file, and what only stands for AWS.
BY_KIND = {"kinds", "image", "lower", "local"}


def tables_by_kind(path: Path) -> Iterator[str]:
    """Where a file tells kinds apart by their names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare) and any(
            isinstance(p, ast.Attribute) and p.attr == "kind" for p in ast.walk(node)
        ):
            kinds = [p.value for p in ast.walk(node) if isinstance(p, ast.Constant) and p.value in KINDS]
            if kinds:
                yield f"{path.name}:{node.lineno} compares a kind with {kinds}"
        if isinstance(node, ast.Dict | ast.Set | ast.Tuple | ast.List):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            values = [item.value for item in items if isinstance(item, ast.Constant)]
            if any("-" in str(value) for value in values if value in KINDS):
                yield f"{path.name}:{node.lineno} lists {values}"


def test_no_other_module_has_a_table_of_kinds() -> None:
    ours = [path for path in (ROOT / "reconciler").rglob("*.py") if not BY_KIND & set(path.relative_to(ROOT).parts)]
    assert [line for path in ours for line in tables_by_kind(path)] == []


def test_the_rule_above_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text('SLOW = {"security-group": 600.0}\nif spec.kind in ("service", "x"):\n    pass\n')
    assert len(list(tables_by_kind(bad))) == 2
