"""The archive: the same wherever it is made, and nothing in it needs what Lambda hasn't."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator

import pytest

from reconciler.kinds.lambda_function import HANDLER, MODULES, archive, code_sha256

LAMBDA_HAS = {"boto3", "botocore", "urllib3", *sys.stdlib_module_names}
IN_IT = {f"reconciler.{module}".replace("/", ".").removesuffix(".__init__") for module in MODULES}


def files() -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(archive())) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def imported(source: str) -> Iterator[str]:
    """The modules that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source, feature_version=(3, 13))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


@pytest.mark.parametrize("name", sorted(files()))
def test_it_imports_only_itself_and_what_lambda_has(name: str) -> None:
    for module in imported(files()[name]):
        assert module in IN_IT or module.partition(".")[0] in LAMBDA_HAS - {"reconciler"}, module


def test_its_folders_are_packages_and_its_handler_is_there() -> None:
    sources = files()
    assert {f"{name.rpartition('/')[0]}/__init__.py" for name in sources} <= sources.keys()
    module, _, function = HANDLER.rpartition(".")
    tree = ast.parse(sources[f"{module.replace('.', '/')}.py"])
    assert function in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_nothing_in_it_tells_when_or_where_it_was_made() -> None:
    with zipfile.ZipFile(io.BytesIO(archive())) as bundle:
        entries = bundle.infolist()
    assert {
        (entry.date_time, entry.compress_type, entry.create_system, entry.external_attr >> 16) for entry in entries
    } == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 3, 0o100644)}
    assert [entry.filename for entry in entries] == [f"reconciler/{module}.py" for module in MODULES]
    assert base64.b64decode(code_sha256()) == hashlib.sha256(archive()).digest()
