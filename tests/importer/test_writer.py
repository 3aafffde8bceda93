"""Names and values of AWS are written by anybody: none of them is more in the file than a text or a comment."""

from __future__ import annotations

import pytest
import yaml

from reconciler.core.text import line
from reconciler.importer.writer import Variable, write
from tests.engine.project import Project
from tests.importer import guide

FOREIGN = [
    "a\nci: {github: {repository: evil/repo}}\n#", "a\rb: c", "a\x85b: c", "a\u2028b: c", "a\u2029- c",
    "\x1b[31mred", "\x9b31m", "\x00", "\u202egnp.exe", "zero\u200bwidth", "\U000e0041", "\ufeffx", "\ud800", "a # b",
]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_text_stays_text(text: str) -> None:
    tree = {text: text, "list": [text, "b"], "in": {text: [{text: [text]}]}}
    written = write(tree, {("list",): text, ("in", text): text}, [text, f"  role.x: {text} is {text}"])
    assert yaml.safe_load(written) == tree
    assert all(line(row) == row for row in written.split("\n"))


def test_variable_beside_foreign_text() -> None:
    written = write({"command": [Variable("\x1b\u202e--token=${TOKEN}")]}, {}, [])
    assert yaml.safe_load(written) == {"command": ["\x1b\u202e--token=${TOKEN}"]}
    assert all(line(row) == row for row in written.split("\n"))


def test_name_of_a_variable_in_aws(by_hand: Project) -> None:
    definition = guide.task_definition("123456789012")
    names = ("A\nci: {github: {repository: evil/repo}}\n#", "E\x1b[31m", "L\u2028cluster: evil")
    definition["containerDefinitions"][0]["environment"] += [{"name": name, "value": "x\x1b[31m"} for name in names]
    by_hand.lab.client("ecs").register_task_definition(**definition)
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    text = (by_hand.folder / "deploy.yaml").read_text()
    assert yaml.safe_load(text).get("ci", {}).get("github") is None
    assert all(line(row) == row for row in text.split("\n"))
