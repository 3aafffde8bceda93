"""Every piece of a deploy.yaml in README.md and docs/ is right: for `load`, and for the schema that editors use."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from reconciler.config import ConfigErrors, load
from reconciler.config.publish import json_schema
from reconciler.config.schema import Deploy

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KEYS = frozenset(Deploy.model_fields)
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
ENVIRON = {"DATA_FILE": "data.csv"}


class Editor(yaml.SafeLoader):
    """Reads YAML 1.2, as editors do: `on` is a text there, and so is the key of `notify`."""


Editor.yaml_implicit_resolvers = {
    first: [resolver for resolver in known if first in "tTfF" or not resolver[0].endswith(":bool")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def pieces(text: str) -> list[str]:
    """The YAML of a page: fenced blocks, indented ones and `key: {...}` in a line, if it speaks of our keys."""
    fenced = re.findall(r"^[ ]*```ya?ml[^\n]*\n(.*?)^[ ]*```", text, re.DOTALL | re.MULTILINE)
    unfenced = re.sub(r"^[ ]*```.*?^[ ]*```", "", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?:^[ ]{4,}[a-z]\w*:.*\n(?:(?:[ ]{4,}\S.*)?\n)*)", unfenced, re.MULTILINE)
    inline = [" ".join(code.split()) for code in re.findall(r"`([a-z]\w*:\s+[{\[][^`]*[}\]])`", unfenced)]
    return [piece for piece in map(textwrap.dedent, (*fenced, *indented, *inline)) if ours(piece)]


def ours(piece: str) -> bool:
    """Whether it is of a deploy.yaml; `...` stands for something that is left out."""
    try:
        tree = yaml.safe_load(piece)
    except yaml.YAMLError:
        return False
    return isinstance(tree, dict) and bool(tree) and tree.keys() <= KEYS and "..." not in piece and "…" not in piece


EXAMPLES = [(str(page.relative_to(ROOT)), piece) for page in PAGES for piece in pieces(page.read_text("utf-8"))]


def test_they_are_found() -> None:
    """So that the next test can't pass for having nothing to do."""
    assert len(EXAMPLES) >= 8
    assert {"README.md", "docs/deploy-yaml.md", "docs/environments.md"} <= {page for page, _ in EXAMPLES}
    assert pieces("    name: x\n    data: y\n\n    image: .\n\ntext\n") == ["name: x\ndata: y\n\nimage: .\n\n"]
    assert pieces("a `ci: {user: {}}` b `jobs: {x: 1}`") == ["ci: {user: {}}"]


@pytest.mark.parametrize(("page", "piece"), EXAMPLES, ids=lambda value: value[:40].replace("\n", " "))
def test_it_is_right(page: str, piece: str, tmp_path: Path) -> None:
    tree: dict[str, Any] = yaml.safe_load(piece)
    text = piece if "name" in tree else f"name: ok\n{piece}"
    path = tmp_path / "deploy.yaml"
    path.write_text(text)
    for environment in tree.get("environments") or [""]:
        try:
            load(path, environ=ENVIRON, git_sha=lambda: "0" * 40, files=False, environment=environment)
        except ConfigErrors as errors:
            pytest.fail(f"{page}: {errors}")
    violations = [
        f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in VALIDATOR.iter_errors(yaml.load(text, Editor))
    ]
    assert not violations, page
