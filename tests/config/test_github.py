"""Which subjects of GitHub's tokens a file trusts, and which file an existing trust means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.config import Deploy, load
from reconciler.config.resource_names import Facts
from reconciler.core.errors import UserError
from reconciler.core.spec import Address
from reconciler.importer.tree import trusted_github
from reconciler.lower import lower

BRANCH = "ref:refs/heads/main"
BY_NAME, BY_ID = "repo:o/n:", "repo:o@12/n@34:"


def deploy_with(folder: Path, github: str) -> Deploy:
    (folder / "deploy.yaml").write_text(
        f"name: a1\nimage: {{uri: python}}\nci: {{github: {{repository: o/n{github}}}}}\n"
    )
    return load(folder / "deploy.yaml", environ={})


TRUSTED = [
    ("", [BY_NAME]),
    (", owner_id: 12, repository_id: 34", [BY_ID]),
    (", owner_id: '12', repository_id: '34'", [BY_ID]),
    (", owner_id: 12, repository_id: 34, by_name_too: true", [BY_ID, BY_NAME]),
]


@pytest.mark.parametrize(("github", "prefixes"), TRUSTED)
def test_each_subject_is_trusted_exactly(tmp_path: Path, github: str, prefixes: list[str]) -> None:
    deploy = deploy_with(tmp_path, f"{github}, pull_requests: true")
    graph = lower(deploy, Facts("123456789012", "aws", "vpc-1", ("subnet-1",)), (), None)
    for role, context in (("a1-ci", BRANCH), ("a1-ci-plan", "pull_request")):
        spec: Any = graph.nodes[Address("role", role)].spec
        (statement,) = json.loads(spec.trust.text())["Statement"]
        assert statement["Condition"].keys() == {"StringEquals"}, "never a pattern"
        subjects = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert sorted([subjects] if isinstance(subjects, str) else subjects) == sorted(
            prefix + context for prefix in prefixes
        )


IDS = {"owner_id": "12", "repository_id": "34"}
PLACE = {"repository": "o/n", "branch": "main"}


@pytest.mark.parametrize(
    ("subjects", "github"),
    [
        ([BY_NAME + BRANCH], PLACE),
        ([BY_ID + BRANCH], PLACE | IDS),
        ([BY_NAME + BRANCH, BY_ID + BRANCH], PLACE | IDS | {"by_name_too": True}),
        ([BY_ID + BRANCH, BY_NAME + BRANCH], PLACE | IDS | {"by_name_too": True}),
        (["repo:o/n:ref:refs/heads/feature/x"], PLACE | {"branch": "feature/x"}),
        # What one repository's one branch doesn't say: left out, and said.
        ([], {}),
        (["repo:o/n:*"], {}),
        (["repo:o@*/n@34:" + BRANCH], {}),
        (["repo:o@12/n:" + BRANCH], {}),
        (["repo:o/n:ref:refs/heads/*"], {}),
        (["repo:o/n:environment:prod"], {}),
        ([BY_NAME + BRANCH, "repo:o/other:" + BRANCH], {}),
        ([BY_ID + BRANCH, "repo:o@12/n@35:" + BRANCH], {}),
        ([BY_NAME + BRANCH, BY_NAME + BRANCH], {}),
        ([BY_NAME + BRANCH, BY_ID + "ref:refs/heads/dev"], {}),
        ([BY_NAME + BRANCH, BY_ID + BRANCH, "repo:x/y:" + BRANCH], {}),
    ],
)
def test_an_existing_trust_is_read_back(subjects: list[str], github: dict[str, Any]) -> None:
    assert trusted_github(subjects) == github


@pytest.mark.parametrize(("github", "prefixes"), TRUSTED)
def test_what_is_written_is_read_back(tmp_path: Path, github: str, prefixes: list[str]) -> None:
    section = deploy_with(tmp_path, github).ci
    assert section is not None
    assert section.github is not None
    trusted = trusted_github(section.github.subjects(BRANCH))
    kept = section.github.model_dump(exclude_defaults=True)
    assert {key: kept.get(key) for key in IDS} == {key: trusted.get(key) for key in IDS}
    assert trusted.get("by_name_too", False) == section.github.by_name_too


CLASHES = [
    ("task: {role: {name: A1-schedule-role}}\nschedule: {when: rate(1 day)}\n", "role A1-schedule-role and a1-sch"),
    ("run: {capacity: managed}\nci: {github: {repository: o/n, role: a1-infrastructure-role}}\n", "role a1-infrastr"),
    ("logs: {group: /aws/lambda/a1-schedule-watcher}\nschedule: {when: rate(1 day)}\n", "log-group /aws/lambda/a1-"),
]


@pytest.mark.parametrize(("text", "message"), CLASHES)
def test_a_name_that_follows_from_the_deploys_is_given_to_another(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "deploy.yaml").write_text(f"name: a1\nimage: {{uri: python}}\n{text}")
    deploy = load(tmp_path / "deploy.yaml", environ={})
    with pytest.raises(UserError, match=message):
        lower(deploy, Facts("123456789012", "aws", "vpc-1", ("subnet-1",)), (), None)
