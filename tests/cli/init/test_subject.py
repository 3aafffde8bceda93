"""`init` asks `gh` how GitHub names the repository, and says what to fill in where nobody answers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.init.subject import NoAnswer, Subject, ask
from reconciler.config import load
from tests.cli.conftest import Project

BY_NAME, BY_ID = "repo:o/n", "repo:o@12/n@34"
ABOUT = {"id": 34, "owner": {"id": 12}, "created_at": "2026-08-01T00:00:00Z"}


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has a `gh` give these answers, by path."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def answers(**given: Any) -> None:
        for name, answer in given.items():
            (folder / f"{name}.json").write_text(answer if isinstance(answer, str) else json.dumps(answer))
        script = folder / "gh"
        script.write_text(
            f'#!/bin/sh\ncase "$2" in */sub) file={folder}/sub.json;; *) file={folder}/about.json;; esac\n'
            f'[ "$1" = api ] && [ -f "$file" ] && exec cat "$file"\necho "gh: Not Found (HTTP 404)" >&2; exit 1\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return answers


@pytest.mark.parametrize(
    ("sub", "about", "expected"),
    [
        ({"use_default": True, "use_immutable_subject": True, "sub_claim_prefix": BY_ID}, None, Subject("12", "34")),
        # The flag is the repository's own setting: new ones are named by id without it.
        ({"use_default": True, "use_immutable_subject": False, "sub_claim_prefix": BY_ID}, None, Subject("12", "34")),
        ({"use_default": True, "sub_claim_prefix": BY_NAME}, ABOUT, Subject()),
        ({"use_default": False, "include_claim_keys": ["repo", "context"]}, None, Subject(template="repo, context")),
        ({"use_default": True}, ABOUT, Subject("12", "34")),
        ({"use_default": True}, ABOUT | {"created_at": "2024-01-01T00:00:00Z"}, None),
        ({"use_default": True}, ABOUT | {"owner": {}}, None),
        ({"use_default": True}, None, None),
        ("[]", None, None), ("nonsense", None, None), (None, ABOUT, None),
    ],
)  # fmt: skip
def test_what_it_answers(gh: Any, sub: Any, about: Any, expected: Subject | None) -> None:
    gh(**{name: value for name, value in (("sub", sub), ("about", about)) if value is not None})
    if expected is None:
        with pytest.raises(NoAnswer):
            ask("o/n")
    else:
        assert ask("o/n") == expected


def test_the_file_has_the_ids_or_says_what_to_fill_in(gh: Any, project: Project, tmp_path: Path) -> None:
    file = project.folder / "deploy.yaml"
    file.unlink()
    begun = project.run("init", "--github", "o/n", "--image", "python:3.13-slim", "--json")
    assert begun.code == 0, begun.err
    (note,) = [text for text in json.loads(begun.out)["notes"] if "owner_id" in text]
    assert "(gh isn't logged in here)" in note
    assert "gh api repos/o/n --jq '.owner.id, .id'" in note
    gh(sub={"use_default": True, "sub_claim_prefix": BY_ID})
    # The file that is there is said to lack them; a new one has them.
    again = json.loads(project.run("init", "--json").out)["notes"]
    assert [text for text in again if 'owner_id: "12" and repository_id: "34"' in text]
    file.unlink()
    new = json.loads(project.run("init", "--github", "o/n", "--image", "python", "--json").out)["notes"]
    assert not [text for text in new if "owner_id" in text]
    deploy = load(file, environ={}, files=False)
    assert deploy.ci
    assert deploy.ci.github
    assert deploy.ci.github.subjects("x") == (f"{BY_ID}:x",)
