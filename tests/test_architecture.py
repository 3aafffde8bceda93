"""Rules about the code itself that import-linter (pyproject.toml) can't say."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from reconciler.core.spec import Spec
from reconciler.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]
KIND_FILES = sorted((ROOT / "reconciler" / "kinds").glob("*.py"))
OURS = sorted((ROOT / "reconciler").rglob("*.py"))
PROGRAM = sorted((ROOT / "model").rglob("*.py"))
PURE = ("access", "canonical", "container", "diff", "drift", "graph", "plan", "schedule", "spec")


def names(path: Path) -> set[str]:
    """Every name, attribute and imported module in a file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            found |= set(module.split(".")) | {part for alias in node.names for part in alias.name.split(".")}
    return found


@pytest.mark.parametrize("path", KIND_FILES, ids=lambda path: path.stem)
def test_kinds_neither_wait_nor_retry_nor_log_nor_page(path: Path) -> None:
    """`Aws` does all of that, by its tables."""
    forbidden = {
        "sleep", "time", "tenacity", "ClientError", "BotoCoreError", "logging", "structlog", "print", "get_paginator",
        "get_waiter", "paginate", "NextToken", "nextToken", "Marker", "client", "datetime", "random", "environ",
    }  # fmt: skip
    assert names(path) & forbidden == set()


def test_the_rule_above_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import time\nfrom botocore.exceptions import ClientError\nx.get_paginator('y')\n")
    assert names(bad) >= {"time", "ClientError", "get_paginator"}


@pytest.mark.parametrize(
    "path",
    [path for path in OURS if not {"cli", "local", "scheduled"} & set(path.parts)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_command_line_prints(path: Path) -> None:
    assert path.name in {"publish.py", "__main__.py"} or "print" not in names(path)


def test_every_kind_is_listed_and_has_a_file() -> None:
    defined = {
        node.name
        for path in KIND_FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        and {"create", "update", "delete"} <= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    }
    assert defined - {"Kind"} == {type(kind).__name__ for kind in KINDS}
    assert len({kind.spec.kind for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.spec.kind)
def test_a_name_alone_makes_a_spec(kind: object) -> None:
    spec: type[Spec] = kind.spec  # type: ignore[attr-defined]
    assert spec(name="x").address == (spec.kind, "x")
    assert spec.in_place <= spec.model_fields.keys()


def test_the_core_loads_nothing_that_does_io() -> None:
    imports = ", ".join(f"reconciler.core.{name}" for name in PURE)
    heavy = "{'boto3', 'botocore', 'subprocess', 'urllib3', 'yaml', 'reconciler.aws'}"
    code = f"import sys, pydantic; before = set(sys.modules); import {imports}; found = set(sys.modules) - before"
    code += f"; print(sorted(found & {heavy}))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


@pytest.mark.parametrize(
    "path", [*OURS, *PROGRAM, *sorted((ROOT / "bench").glob("*.py"))], ids=lambda path: str(path.relative_to(ROOT))
)
def test_functions_stay_short(path: Path) -> None:
    """A file is as long as its subject. A function fits on a screen."""
    long = [node.name for node in functions(path) if (node.end_lineno or 0) - node.lineno > 60]
    assert long == []


def unused(path: Path) -> set[str]:
    """Private functions and classes of a file that nothing in it uses. What is decorated is used by its decorator."""
    defined = {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.startswith("_") and not node.decorator_list
    }
    return defined - names(path)


def test_every_private_function_is_used() -> None:
    assert {(path.name, name) for path in [*OURS, *PROGRAM] for name in unused(path)} == set()


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules of which each imports the next and the last the first; none if there is no such circle."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize(
    ("package", "module", "later"),
    [("model", "model.run", "model.train"), ("reconciler", "reconciler.run.step", "reconciler.cli.main")],
)
def test_no_module_imports_itself_by_way_of_others(package: str, module: str, later: str) -> None:
    """Neither when it runs, within functions too, nor for types alone."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imports) > 50
    assert circle(imports) == []
    assert circle(imports | {module: imports[module] | {later}}) != []


def private(path: Path) -> set[str]:
    """Names with an underscore that a file takes from something else: neither its own object's nor defined in it."""
    tree = ast.parse(path.read_text())
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} - own
    return {name for name in found if name.startswith("_") and not name.startswith("__")} - {"_exit"}


@pytest.mark.parametrize("path", sorted((ROOT / "reconciler" / "cli").rglob("*.py")), ids=lambda path: path.stem)
def test_the_command_line_uses_public_names(path: Path) -> None:
    assert private(path) == set()


def test_that_rule_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import argparse\nx: argparse._SubParsersAction\nfor one in parser._actions:\n    print(self._x)\n")
    assert private(bad) == {"_SubParsersAction", "_actions", "_x"}


def test_only_the_edge_knows_of_argparse() -> None:
    knows = {path.stem for path in OURS if "argparse" in names(path)}
    assert knows == {"arguments", "completion", "main", "options", "parser"}
