"""The workflow that `init` writes: what linters say of it, and its shell steps run as a runner does, in an AWS."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.init import files
from reconciler.local import status
from tests.cli.conftest import PROGRAM, Project
from tests.federation import Federation, federation
from tests.lab_client import ROOT
from tests.linters import actionlint, zizmor
from tests.local_fixtures import EmbeddedAws
from tests.release.test_actions import wrong
from tests.waiting import LONG, until

ENDLESS = "import time\nprint('at work', flush=True)\nwhile True: time.sleep(0.1)\n"
CANCEL = 7.5  # seconds from a runner's SIGINT to its SIGTERM


class Runner:
    """Runs the steps of a job as GitHub's runner does: a script in a file, `bash -e`, files for what it says."""

    def __init__(self, project: Project, job: str, github: Federation) -> None:
        self.project = project
        workflow = yaml.safe_load((project.folder / ".github" / "workflows" / "pipeline.yml").read_text())
        self.steps = {step["name"]: step for step in workflow["jobs"][job]["steps"] if "run" in step}
        self.home = project.folder / ".reconciler" / "runner"  # no part of the image
        self.home.mkdir(parents=True, exist_ok=True)
        self.output, self.summary = self.home / "output.txt", self.home / "summary.md"
        self.environment: dict[str, str] = {}  # besides
        self.output.touch()
        self.summary.touch()
        running = status(project.home)
        assert running is not None
        self.url, self._aws = running.endpoint_url, EmbeddedAws(running)
        self.github, self.job = github, job
        github.client = self.client

    def start(self, name: str) -> subprocess.Popen[str]:
        """Start a step. Its environment has the runner's own variables, its `env`, and no key."""
        rest = "pull_request" if self.job == "plan" else "ref:refs/heads/main"
        self.github.subject = f"repo:owner/tiny:{rest}"
        script = self.home / "step.sh"
        script.write_text(self.steps[name]["run"])
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "HOME": str(self.home), "CI": "true", "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary),
            "AWS_ENDPOINT_URL": self.url, "RECONCILER": "",
            **self.github.environment(""), **self.environment,
        }  # fmt: skip
        role = f"arn:aws:iam::123456789012:role/tiny-ci{'-plan' if self.job == 'plan' else ''}"
        variables = {f"${{{{ vars.AWS{'_PLAN' if self.job == 'plan' else ''}_ROLE_ARN }}}}": role}
        environment |= {key: variables[value] for key, value in self.steps[name].get("env", {}).items()}
        return subprocess.Popen(
            ["bash", "-e", str(script)], cwd=self.project.folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, name: str) -> tuple[int, str]:
        """Run a step to its end: exit code and log."""
        step = self.start(name)
        log, _ = step.communicate(timeout=LONG)
        return step.returncode, log

    def outputs(self) -> dict[str, str]:
        """The outputs so far; of one that is given twice, the last counts."""
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())

    def client(self, service: str) -> Any:
        """A client of the same AWS."""
        return self._aws.client(service)


@pytest.fixture
def github() -> Iterator[Federation]:
    """What gives a job its token, and takes it for a role; the runner says which AWS it is of."""

    def nowhere(service: str) -> Any:
        raise AssertionError(service)

    with federation(nowhere) as running:
        yield running


def made(project: Project, program: str = PROGRAM) -> None:
    """A project as `init` makes it, its image and resources made by a person, as is said in the workflow."""
    (project.folder / "deploy.yaml").unlink()
    project.write("train.py", program)
    assert project.run("init", "--name", "tiny", "--github", "owner/tiny").code == 0
    ended = project.run("apply", "--local", "--skip-run")
    assert ended.code == 0, ended.out + ended.err


@pytest.mark.long
def test_the_plan_and_the_apply_of_a_workflow(project: Project, github: Federation) -> None:
    made(project)
    plan = Runner(project, "plan", github)
    code, log = plan.run("Install")
    assert (code, "RECONCILER: is empty: set the repository variable of this name" in log) == (1, True)
    code, log = plan.run("Plan")
    assert code == 0, log
    assert plan.outputs() == {"changes": "false"}
    assert plan.summary.read_text().startswith("### Nothing to change: ")

    apply = Runner(project, "apply", github)
    code, log = apply.run("Apply")
    assert code == 0, log
    assert "  | hello from the task" in log
    outputs, summary = apply.outputs(), apply.summary.read_text()
    task = apply.client("ecs").describe_tasks(cluster="tiny", tasks=[outputs["task-arn"]])["tasks"][0]
    assert task["lastStatus"] == "STOPPED"
    (image,) = apply.client("ecr").describe_images(repositoryName="tiny")["imageDetails"]
    assert outputs["image-digest"] == image["imageDigest"]
    assert (outputs["result"], outputs["exit-code"]) == ("succeeded", "0")
    assert outputs["results"] == f"s3://tiny-data-123456789012/runs/{outputs['run-id']}/output"
    assert f"### ✅ Run `{outputs['run-id']}` succeeded" in summary
    assert f"`{outputs['task-arn']}`" in summary
    assert "| `rows` | 3 |" in summary
    assert (project.folder / "results" / outputs["run-id"] / "report.html").is_file(), "the artifact's content"

    # A change: shown in the plan, then another run, whose metrics are drawn over those before.
    project.write("prices.csv", "a,b\n1,2\n3,4\n5,6\n")
    assert Runner(project, "plan", github).run("Plan")[0] == 0
    assert "```diff\n" in plan.summary.read_text()
    assert apply.outputs()["changes"] == "true"
    assert apply.run("Apply")[0] == 0
    assert apply.outputs()["run-id"] != outputs["run-id"]
    chart = re.search(
        r"```mermaid\nxychart-beta\n    title \"rows\"\n.*\n    line \[3, 4\]\n```", apply.summary.read_text()
    )
    assert chart

    # A program that fails fails the job, with its code.
    path = project.folder / "deploy.yaml"
    path.write_text(path.read_text().replace("# environment: {EPOCHS: 20}", "environment: {EXIT: 37}"))
    assert apply.run("Apply")[0] == 37
    assert (apply.outputs()["result"], apply.outputs()["exit-code"]) == ("task-failed", "37")
    assert "### ❌ Run" in apply.summary.read_text()
    assert "| Fix | " in apply.summary.read_text()


def test_what_is_installed_finds_no_role_and_has_hashes_where_there_is_a_lock(
    project: Project, github: Federation
) -> None:
    made(project)
    workflow = yaml.safe_load((project.folder / ".github" / "workflows" / "pipeline.yml").read_text())
    for job in workflow["jobs"].values():
        with_role = [step["name"] for step in job["steps"] if "AWS_ROLE_ARN" in step.get("env", {})]
        assert with_role in (["Plan"], ["Apply"])
        assert "AWS" not in str(job.get("env"))
    assert "AWS" not in str(workflow.get("env"))
    # A lock whose hash is another file's installs nothing; one that is right is what is installed.
    wheel = project.folder / "planted-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("planted.py", "")
        archive.writestr("planted-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        archive.writestr(
            "planted-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("planted-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    plan = Runner(project, "plan", github)
    plan.environment = {"PIP_DRY_RUN": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project.folder)}
    project.write("reconciler.lock", f"planted==1.0 --hash=sha256:{'0' * 64}\n")
    code, log = plan.run("Install")
    assert (code, "DO NOT MATCH THE HASHES" in log) == (1, True), log
    project.write("reconciler.lock", "planted==1.0\n")
    assert plan.run("Install")[0] == 1, "each has a hash or none is installed"
    project.write("reconciler.lock", f"planted==1.0 --hash=sha256:{digest}\n")
    code, log = plan.run("Install")
    assert code == 0, log


def test_an_error_is_in_the_summary(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.folder / "summary.md"))
    project.write("deploy.yaml", "name: tiny\nregoin: us-east-1\n")
    assert project.run("plan").code == 2
    assert "did you mean region?" in (project.folder / "summary.md").read_text()


def test_a_cancelled_job_leaves_or_stops_its_task(project: Project, github: Federation) -> None:
    made(project, ENDLESS)
    apply = Runner(project, "apply", github)
    ecs = apply.client("ecs")
    path = project.folder / "deploy.yaml"

    def state(arn: str) -> str:
        return str(ecs.describe_tasks(cluster="tiny", tasks=[arn])["tasks"][0]["lastStatus"])

    arns = []
    for word, said in (
        ("detach", "continues"),
        ("stop", "is being stopped"),
    ):  # the second comes back to the first's run
        path.write_text(path.read_text().replace("run: #", f"run:\n  on_interrupt: {word} #"))
        apply.output.write_text("")
        step = apply.start("Apply")
        arns.append(until(lambda: apply.outputs().get("task-arn", ""), "the task to be told"))
        until(lambda: state(arns[-1]) == "RUNNING", "the task to run")
        step.send_signal(signal.SIGINT)  # to the step's own process, as the runner does
        log, _ = step.communicate(timeout=CANCEL)
        assert step.returncode == 130, log
        assert said in log
        assert apply.outputs()["run-id"] in apply.summary.read_text()
        if word == "detach":
            assert state(arns[-1]) == "RUNNING"
            path.write_text(path.read_text().replace("run:\n  on_interrupt: detach #", "run: #"))
    assert arns[0] == arns[1]
    until(lambda: state(arns[0]) == "STOPPED", "the task to stop")


@pytest.fixture
def workflow(project: Project) -> Path:
    (project.folder / "deploy.yaml").unlink()
    assert project.run("init", "--name", "tiny", "--github", "owner/tiny").code == 0
    return project.folder / ".github" / "workflows" / "pipeline.yml"


def test_linters_find_nothing(workflow: Path) -> None:
    assert actionlint(workflow) == ""
    assert zizmor(workflow) == ""


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ('"${RECONCILER', '"${{ github.head_ref }}${RECONCILER', "potentially untrusted"),
        ("steps.apply.outputs.task-arn", "steps.aply.outputs.task-arn", 'property "aply" is not defined'),
        ("python -m pip install --quiet", "python -m pip install $EXTRA", "SC2086"),
    ],
)
def test_linters_would_find_it(good: str, bad: str, said: str, workflow: Path) -> None:
    assert good in workflow.read_text()
    workflow.write_text(workflow.read_text().replace(good, bad))
    assert said in actionlint(workflow)
    assert ("template-injection" in zizmor(workflow)) == ("head_ref" in bad)


def test_actions_are_pinned_and_rights_are_the_least(workflow: Path) -> None:
    text = workflow.read_text()
    assert "<<" not in text
    assert text.count(" uses: ") == 5
    assert wrong(text) == []  # pinned, and on Node.js 24
    content = yaml.safe_load(text)
    assert content["permissions"] == {}
    assert [job["permissions"] for job in content["jobs"].values()] == [{"contents": "read", "id-token": "write"}] * 2
    assert content["jobs"]["apply"]["concurrency"] == {"group": "apply-tiny", "cancel-in-progress": False}


NAMES = [
    ("my project", "main"), ("it's $(touch owned) `touch owned`", "main"),
    ("a${{ github.token }}b", "${{github.token}}"),
    ("x\ny: z", "it's"), ("# x", "a#b"), ('q"q', "a,b"), ("-x", "release-1"), ("a: b", "x!y"),
    ("{a}, [b]", "{x}"), ("&a *b", "&a"), ("%d", "%d"),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "branch"), NAMES, ids=ascii)
def test_names_in_a_workflow_are_names(folder: str, branch: str, tmp_path: Path) -> None:
    """A shell gets the file as one word, GitHub's expressions find nothing in it, YAML has the keys it had."""
    file = f"{folder}/deploy.yaml"
    text = files.workflow(
        files.Answers("tiny", "us-east-1", branch=branch), file=file, install=f"tool @ {folder}", results=f"{folder}/r",
        arm=False,
    )  # fmt: skip
    usual = yaml.safe_load(
        files.workflow(files.Answers("tiny", "us-east-1"), file="deploy.yaml", install="x", results="r", arm=False)
    )
    content = yaml.safe_load(text)
    assert keys(content) == keys(usual)
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\nfor one in "$@"; do printf \'%s\\0\' "$one"; done\n')
    spy.chmod(0o755)
    for job, more in (("plan", []), ("apply", ["--wait-for-lock", "600"])):
        step = next(entry for entry in content["jobs"][job]["steps"] if entry["name"].lower() == job)
        script = expanded(step["run"])
        said = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        )  # fmt: skip
        wanted = f"./{file}" if file.startswith("-") else file
        assert said.stdout.split("\0")[:-1] == ["-m", "reconciler", job, wanted, *more]
    assert not (tmp_path / "owned").exists()
    assert expanded(content["env"]["RECONCILER"]) == f"tool @ {folder}"
    keep = next(entry for entry in content["jobs"]["apply"]["steps"] if entry["name"] == "Keep the results")
    assert expanded(keep["with"]["path"]) == f"{folder}/r/"
    (pattern,) = content[True]["push"]["branches"]
    assert re.sub(r"\\(.)", r"\1", pattern) == branch
    condition = content["jobs"]["apply"]["if"]
    assert "${{" not in condition
    string = re.search(r"github\.ref == (?:format\()?'((?:[^']|'')*)'(?:, '\$'\))?$", condition)
    assert string, condition
    name = string[1].replace("''", "'")
    assert (name.format("$") if "format(" in condition else name) == f"refs/heads/{branch}"


@pytest.mark.parametrize(("folder", "branch"), NAMES, ids=ascii)
def test_names_in_the_nightly_workflow_are_names(folder: str, branch: str, tmp_path: Path) -> None:
    file = f"{folder}/deploy.yaml"
    given: dict[str, Any] = {"install": f"tool @ {folder}", "results": "r", "arm": False, "template": files.DRIFT}
    usual = yaml.safe_load(files.workflow(files.Answers("tiny", "us-east-1"), file="deploy.yaml", **given))
    content = yaml.safe_load(files.workflow(files.Answers("tiny", "us-east-1", branch=branch), file=file, **given))
    assert keys(content) == keys(usual)
    assert expanded(content["env"]["RECONCILER"]) == f"tool @ {folder}"
    assert "${{" not in content["jobs"]["plan"]["if"]
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\nfor one in "$@"; do printf \'%s\\0\' "$one"; done\n')
    spy.chmod(0o755)
    step = next(entry for entry in content["jobs"]["plan"]["steps"] if entry["name"] == "Plan")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path)}
    subprocess.run(["bash", "-e", "-c", expanded(step["run"])], cwd=tmp_path, check=True, env=environment)
    wanted = f"./{file}" if file.startswith("-") else file
    said = (tmp_path / "plan.md").read_text().split("\0")[:-1]
    assert said == ["-m", "reconciler", "plan", wanted, "--markdown"]
    assert not (tmp_path / "owned").exists()


def expanded(text: str) -> str:
    """A value as GitHub makes it, in which the only expressions are strings."""
    assert re.fullmatch(r"(?:(?!\$\{\{).|\$\{\{ '\$\{\{' \}\})*", text, re.DOTALL), text
    return text.replace("${{ '${{' }}", "${{")


def keys(part: Any) -> Any:
    """The keys of a document and of all in it."""
    if isinstance(part, dict):
        return {key: keys(value) for key, value in part.items()}
    return [keys(item) for item in part] if isinstance(part, list) else None
