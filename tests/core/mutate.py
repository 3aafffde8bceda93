"""Mutation testing of the pure core and of a run's `step`: change one thing at a time, and see whether a test fails.

    python -m tests.core.mutate [MODULE ...] [--jobs 2]

Prints every mutant that no test noticed; exits with 1 if one of them isn't explained in survivors.txt beside this
file. It takes some minutes, and isn't part of CI.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = {  # and the folder of its tests
    **dict.fromkeys(("spec", "canonical", "container", "access", "diff", "graph", "plan", "drift", "schedule"), "core"),
    "step": "run",
}
SECONDS = 60  # for the tests of one mutant, which may not end
COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.GtE: ast.Lt,
}  # fmt: skip


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """(line, what was done, mutated tree) of every mutant."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    annotations = {
        id(part)
        for node in ast.walk(tree)
        for field in ("annotation", "returns")
        if (annotation := getattr(node, field, None)) is not None
        for part in ast.walk(annotation)
    }
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in docstrings or id(node) in annotations:
            continue
        for description, change in changes(node):
            other: Any = copy.deepcopy(tree)
            twin = next(part for index, part in enumerate(ast.walk(other)) if index == number)
            new = change(copy.deepcopy(node))
            if isinstance(twin, ast.stmt | ast.expr) and type(new) is type(twin):
                twin.__dict__.update(new.__dict__)
            else:
                other = _Swap(twin, new).visit(other)
            # A comprehension's part has no line of its own.
            placed = node.target if isinstance(node, ast.comprehension) else node
            yield getattr(placed, "lineno", 0), description, ast.fix_missing_locations(other)


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return ast.copy_location(self.new, node)
        self.generic_visit(node)
        return node


def changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], ast.AST]]]:
    """What can be changed in a node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        other = COMPARE[type(node.ops[0])]

        def compare(n: ast.Compare) -> ast.AST:
            n.ops[0] = other()
            return n

        yield f"{type(node.ops[0]).__name__} -> {other.__name__}", compare
    elif isinstance(node, ast.BoolOp):

        def swap(n: ast.BoolOp) -> ast.AST:
            n.op = ast.Or() if isinstance(n.op, ast.And) else ast.And()
            return n

        yield "and <-> or", swap
        for index in range(len(node.values)):
            yield f"only without part {index + 1}", partial(_without, index=index)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not x -> x", lambda n: n.operand
    elif isinstance(node, ast.IfExp):
        yield "always the first", lambda n: n.body
        yield "always the second", lambda n: n.orelse
    elif isinstance(node, ast.If | ast.While):
        yield "never", lambda n: _test(n, False)
        if isinstance(node, ast.If):
            yield "always", lambda n: _test(n, True)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", lambda n: ast.Constant(not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"{node.value} -> {node.value + 1}", lambda n: ast.Constant(n.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield f"{node.value!r} -> other text", lambda n: ast.Constant(n.value + "XX")
    elif isinstance(node, ast.Return) and getattr(node.value, "value", node.value) is not None:
        yield "returns None", lambda n: ast.Return(ast.Constant(None))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield "every item", lambda n: ast.comprehension(n.target, n.iter, [], n.is_async)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "not called", lambda n: ast.Pass()
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield "+ <-> -", lambda n: ast.BinOp(n.left, ast.Sub() if isinstance(n.op, ast.Add) else ast.Add(), n.right)


def _without(node: ast.BoolOp, index: int) -> ast.AST:
    kept = [value for number, value in enumerate(node.values) if number != index]
    return kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)


def _test(node: ast.If | ast.While, value: bool) -> ast.AST:
    node.test = ast.Constant(value)
    return node


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant when its module is imported."""

    def __init__(self, name: str, code: CodeType) -> None:
        self.name, self.code = name, code

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def survives(name: str, tree: ast.Module) -> bool:
    """Whether all tests pass with a mutant in the place of its module; in a process of its own. The core's tests are
    all of tests/core, another module's are those of its own file.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(SECONDS)
            import pytest

            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                sys.meta_path.insert(0, Finder(name, compile(tree, name, "exec")))
                options = [
                    "-x",
                    "-q",
                    *(f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "cov", "hypothesispytest")),
                ]
                _, folder, module = name.split(".")
                own = f"tests/{folder}/test_{module}.py"  # fails soonest
                paths = (ROOT / "tests" / "core").glob("test_*.py") if folder == "core" else ()
                others = [str(path) for path in paths if path.name not in own]
                code = int(pytest.main([*options, own, *others]))
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*", default=MODULES)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    explained = Path(__file__).with_name("survivors.txt").read_text().splitlines()
    import pydantic  # noqa: F401  so that each child has them already
    import pytest  # noqa: F401

    started, total, unexplained = time.monotonic(), 0, 0
    for module in options.modules:
        folder = MODULES[module]
        path = ROOT / "reconciler" / folder / f"{module}.py"
        lines = path.read_text().splitlines()
        mutated = list(mutants(ast.parse(path.read_text())))
        with ThreadPoolExecutor(options.jobs) as pool:
            alive = list(pool.map(lambda mutant: survives(f"reconciler.{folder}.{module}", mutant[2]), mutated))  # noqa: B023
        total += len(mutated)
        for (line, description, _), survived in zip(mutated, alive, strict=True):
            if survived:
                text = f"{module}: {lines[line - 1].strip()} | {description}"
                known = any(survivor.startswith(text) for survivor in explained)
                unexplained += not known
                print(f"{'explained' if known else 'SURVIVED '} {module}.py:{line} {text}", flush=True)
        print(f"{module}: {len(mutated)} mutants, {sum(alive)} not noticed", flush=True)
    seconds = time.monotonic() - started
    print(f"{total} mutants in {seconds:.0f} s; {unexplained} not noticed and not explained")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
