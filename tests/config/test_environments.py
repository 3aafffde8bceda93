"""`environments:`: what one says is laid over the rest; what is wrong is told at its place, in whichever it is."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from reconciler.config import ConfigErrors, Deploy, load, show
from reconciler.config.publish import json_schema

BASE = """\
name: tiny
data: prices.csv
image: .
task: {cpu: 1024, memory: 2048, environment: {EPOCHS: 1.10, KEEP: yes}, command: [a, b]}
environments:
"""


def loaded(tmp_path: Path, text: str, environment: str, **environ: str) -> Deploy:
    path = tmp_path / "deploy.yaml"
    path.write_text(text)
    return load(path, environ=environ, git_sha=lambda: None, files=False, environment=environment)


def wrong(tmp_path: Path, text: str, environment: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, text, environment)
    return [(e.line, e.path, e.message, e.fix) for e in caught.value.errors]


def test_mappings_are_laid_over_and_the_rest_replaced(tmp_path: Path) -> None:
    text = BASE + "  dev: {task: {cpu: 256, memory: 1GB, environment: {EPOCHS: 2.0, MORE: 010}, command: [c]}}\n"
    task = loaded(tmp_path, text, "dev").task
    assert (task.cpu, task.memory, task.command) == (256, 1024, ("c",))
    assert task.environment == {"EPOCHS": "2.0", "KEEP": "yes", "MORE": "010"}


def test_names_follow_from_the_environment(tmp_path: Path) -> None:
    text = BASE + "  dev: {}\n  other: {name: mine}\n"
    dev, other = loaded(tmp_path, text, "dev"), loaded(tmp_path, text, "other")
    assert (dev.name, other.name) == ("tiny-dev", "mine")
    assert (dev.cluster.name, dev.logs.group, dev.task.role.name) == ("tiny-dev", "/ecs/tiny-dev", "tiny-dev-task-role")
    (tmp_path / "deploy.yaml").write_text(show(dev))
    assert load(tmp_path / "deploy.yaml", environ={}, files=False) == dev.model_copy(update={"environments": {}})


def test_a_short_section_takes_more(tmp_path: Path) -> None:
    text = BASE + "  dev: {data: {bucket: {versioning: no}}, image: {target: small}}\n"
    dev = loaded(tmp_path, text, "dev")
    assert dev.data.files[0].file == "prices.csv"
    assert not dev.data.bucket.versioning
    assert (dev.image.context, dev.image.target) == (".", "small")


def test_null_takes_away_and_an_empty_one_changes_nothing(tmp_path: Path) -> None:
    text = "name: tiny\nrun: {max_duration: 2h}\nenvironments:\n  dev: {run: {max_duration: null}}\n  qa:\n"
    assert loaded(tmp_path, text, "dev").run.max_duration is None
    assert loaded(tmp_path, text, "qa").run.max_duration == 7200


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("  dev: {}\n  qa: {}\n", "", (5, "", "this file has several environments: dev, qa", "choose one: --env dev")),
        ("  dev: {}\n  prod: {account: 123456789012}\n", "prd",
         (5, "", "--env prd: the environments are dev, prod", "did you mean --env prod?")),
        ("  dev: {task: {memry: 1}}\n", "dev",
         (6, "environments.dev.task.memry", "'memry' is not a known key", "did you mean memory?")),
        ("  dev: {}\n  qa: {regoin: eu-west-1}\n", "dev",  # in one that isn't chosen
         (7, "environments.qa.regoin", "'regoin' is not a known key", "did you mean region?")),
        ("  dev: {task: {cpu: 4096}}\n", "dev",  # with the rest's memory, which fits no such size
         (4, "task.memory", "2048 is not a size that Fargate has with 4096 CPU units", None)),
        ("  dev: {}\n  prod: {region: eu-west-1}\n", "dev",
         (7, "environments.prod",
          "the environment prod needs account:, so that credentials of any other account are refused",
          None)),
        ("  Dev: {}\n", "Dev", (6, "environments.Dev", None, "for instance dev")),
        ("  dev: 3\n", "dev", (6, "environments.dev", "an environment must be a mapping", None)),
        ("  dev: {environments: {}}\n", "dev",
         (6, "environments.dev.environments", "an environment can't contain environments", None)),
        ("  dev: {cluster: {name: c}}\n  qa: {cluster: {name: c}}\n", "dev",
         (7, "environments.qa.cluster.name", "the cluster 'c' is also used by the environment dev", None)),
        ("  dev: {name: same}\n  qa: {name: same}\n", "qa",
         (7, "environments.qa.name", "the deploy 'same' is also used by the environment dev", None)),
        ("  a: {task: {environment: {X: '${GONE}'}}}\n", "a",
         (6, "environments.a.task.environment.X", "the variable GONE is not defined", None)),
    ],
)  # fmt: skip
def test_what_is_wrong(
    tmp_path: Path, text: str, environment: str, expected: tuple[int, str, str | None, str | None]
) -> None:
    ((line, path, message, fix),) = wrong(tmp_path, BASE + text, environment)
    assert (line, path) == expected[:2]
    assert message == (expected[2] or message)
    assert fix == (expected[3] or fix)


def test_a_file_without_any(tmp_path: Path) -> None:
    ((line, path, message, _),) = wrong(tmp_path, "name: tiny\n", "prod")
    assert (line, path, message) == (1, "", "--env prod: this file has no environments")
    assert loaded(tmp_path, "name: tiny\nenvironments: {}\n", "").name == "tiny"


def test_a_variable_is_needed_in_its_own_environment_only(tmp_path: Path) -> None:
    text = "name: tiny\nenvironments:\n  dev: {}\n  qa: {account: '${QA_ACCOUNT}'}\n"
    assert loaded(tmp_path, text, "dev").account is None
    assert loaded(tmp_path, text, "qa", QA_ACCOUNT="123456789012").account == "123456789012"
    assert wrong(tmp_path, text, "qa")[0][1] == "environments.qa.account"


@pytest.mark.parametrize(
    ("dev", "qa", "same"),
    [
        ("{cluster: {name: c}}", "{cluster: {name: c}, region: eu-west-1}", False),  # a cluster is of a region
        ("{task: {role: {name: r}}}", "{task: {role: {name: r}}, region: eu-west-1}", True),  # a role of an account
        ("{task: {role: {name: r}}, account: 111111111111}", "{task: {role: {name: r}}, account: 222222222222}", False),
        ("{data: {bucket: {name: bbb}}, account: 111111111111}",
         "{data: {bucket: {name: bbb}}, account: 222222222222}", True),  # a bucket of all the world
    ],
)  # fmt: skip
def test_what_two_may_share(tmp_path: Path, dev: str, qa: str, same: bool) -> None:
    text = f"name: tiny\nenvironments:\n  dev: {dev}\n  qa: {qa}\n"
    if same:
        assert "is also used by the environment dev" in wrong(tmp_path, text, "dev")[0][2]
    else:
        assert loaded(tmp_path, text, "qa").name == "tiny-qa"


def test_the_editor_knows_them() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())

    def valid(text: str) -> bool:
        return not list(validator.iter_errors(yaml.safe_load(text)))

    assert valid(BASE + "  dev: {task: {cpu: 256, memory: 512}, data: other.csv}\n  qa:\n")
    assert not valid(BASE + "  dev: {task: {cpuu: 256}}\n")
    assert not valid(BASE + "  dev: {environments: {}}\n")
    assert not valid(BASE + "  Dev: {}\n")
