"""`run.promote`: what the role may do for it, what is refused, and the real model on a schedule."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from model import champion, sample
from reconciler.config.resource_names import Facts, Names
from reconciler.config.run import Run
from reconciler.config.schema import Deploy
from reconciler.core.spec import Address
from reconciler.kinds import PolicySpec, TaskDefinitionSpec
from reconciler.local import status
from reconciler.lower import lower, promotion
from tests.cli.conftest import Project
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until

ROOT = Path(__file__).parents[2]
FACTS = Facts("123456789012", "aws", "vpc-1", ("subnet-1",))
BUCKET = "arn:aws:s3:::tiny-data-123456789012"
OWN = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": f"{BUCKET}/%s"}]}


def deploy(promote: str | None, **task: object) -> Deploy:
    content = {"name": "tiny", "data": "prices.csv", "image": {"uri": "x"}, "run": {"promote": promote}, "task": task}
    return Deploy.model_validate(content).filled()


def statements(promote: str | None, **task: object) -> dict[str, Any]:
    spec = lower(deploy(promote, **task), FACTS).nodes[Address("policy", "tiny-task-policy")].spec
    assert isinstance(spec, PolicySpec)
    return {statement["Sid"]: statement for statement in json.loads(spec.document.text())["Statement"]}


def variables(promote: str | None) -> dict[str, Any]:
    spec = lower(deploy(promote), FACTS).nodes[Address("task-definition", "tiny")].spec
    assert isinstance(spec, TaskDefinitionSpec)
    return dict(spec.containers[0].environment)


def paths(statement: dict[str, Any]) -> list[str]:
    resources = statement["Resource"]
    return sorted(arn.removeprefix(f"{BUCKET}/") for arn in (resources if isinstance(resources, list) else [resources]))


def test_the_role_gets_what_a_promotion_needs_and_nothing_without_the_line() -> None:
    without, promoting = statements(None), statements("volatility")
    assert (paths(without["Read"]), paths(without["Write"])) == (
        ["data/prices.csv", "runs/*/output/*"],
        ["runs/*/output/*"],
    )
    assert "models" not in json.dumps(without)
    assert paths(promoting["Read"]) == ["data/prices.csv", "models/*", "runs/*/output/*"]
    assert paths(promoting["Write"]) == ["models/*", "runs/*/output/*"]
    listed = promoting["List"]
    assert (listed["Action"], paths(listed)) == ("s3:ListBucket", [BUCKET])
    assert listed["Condition"] == {"StringLike": {"s3:prefix": ["data/prices.csv", "models/*", "runs/*/output/*"]}}
    assert set(promoting) == set(without)
    given = statements("volatility", role={"read": ["a/*"], "write": ["b/*"]})
    assert (paths(given["Read"]), paths(given["Write"])) == (
        ["a/*", "models/*", "runs/*/output/*"],
        ["b/*", "models/*"],
    )


def test_the_program_gets_the_metric() -> None:
    assert "PROMOTE" not in variables(None)
    assert variables("qlike")["PROMOTE"] == "qlike"


def test_the_metrics_are_those_that_the_program_knows() -> None:
    (metrics, _) = get_args(Run.model_fields["promote"].annotation)
    assert get_args(metrics) == champion.METRICS


@pytest.mark.parametrize(
    ("where", "lacks"),
    [
        ("*", []),
        ("models/*", [f"s3:{verb}Object on runs/RUN/output/manifest.json" for verb in ("Get", "Put")]),
        ("runs/*", [f"s3:{verb}Object on models/champion.json" for verb in ("Get", "Put")]),
    ],
)
def test_a_policy_of_ones_own_is_looked_at(where: str, lacks: list[str]) -> None:
    document = json.loads(json.dumps(OWN) % where)
    assert promotion.missing(Names(deploy("return", role={"policy": document}), FACTS)) == lacks
    assert promotion.missing(Names(deploy(None, role={"policy": document}), FACTS)) == []
    assert promotion.missing(Names(deploy("return"), FACTS)) == []


DEPLOY = """\
name: tiny
data: prices.csv
image: .
task:
  cpu: 512
  memory: 1024
  environment: {LOG_FORMAT: plain, FOLDS: 2, HP_MAX_ROUNDS: 20, HP_PATIENCE: 5}
run: {promote: volatility}
schedule: {when: "cron(0 6 * * ? *)"}
"""
DOCKERFILE = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY model ./model\nENTRYPOINT ["python", "-m", "model"]\n'


def test_a_schedule_trains_checks_and_promotes(project: Project) -> None:
    shutil.copytree(ROOT / "model", project.folder / "model", ignore=shutil.ignore_patterns("__pycache__"))
    project.write("Dockerfile", DOCKERFILE)
    project.write("deploy.yaml", DEPLOY)
    sample.write(project.folder / "all.csv", 3300, 11)
    hours = (project.folder / "all.csv").read_text().splitlines(keepends=True)

    def fired(rows: int) -> tuple[dict[str, Any], str]:
        """The run of the schedule on so many rows: its record, and its log."""
        project.write("prices.csv", "".join(hours[: rows + 1]))
        applied = project.run("apply", "--local", "--skip-run")
        assert applied.code == 0, applied.err
        running = status(project.home)
        assert running is not None
        before = len(json.loads(project.run("runs", "--local", "--json").out)["runs"])
        assert EmbeddedAws(running).control("POST", "schedules/default/tiny-schedule")[0] == 200

        def ended() -> Any:
            runs = json.loads(project.run("runs", "--local", "--json").out)["runs"]
            return runs[0] if len(runs) > before and runs[0]["exit_code"] is not None else None

        run: dict[str, Any] = until(ended, "the end of the scheduled run")
        return run, project.run("logs", run["id"], "--local").out

    first, log = fired(3000)
    assert first["exit_code"] == 0, log
    assert f"promoted: {first['output']} (there was no champion)" in log
    second, log = fired(3300)
    assert second["exit_code"] == 0, log
    assert f"the champion is {first['output']}" in log
    assert "champion: 300 hours" in log
    running = status(project.home)
    assert running is not None
    body = EmbeddedAws(running).client("s3").get_object(Bucket="tiny-data-123456789012", Key="models/champion.json")
    content = json.loads(body["Body"].read())
    outcome = (
        f"promoted: {second['output']} (better" if content["run"] == second["output"] else f"kept: {first['output']} ("
    )
    assert outcome in log
