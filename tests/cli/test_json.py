"""Every command with --json prints one object that holds to its published schema, and nothing that it doesn't name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from reconciler.cli import json_formats, publish
from reconciler.cli.completion import described
from reconciler.local import stop
from tests.cli.conftest import DEPLOY, DOCKERFILE, PROGRAM, Project
from tests.engine.project import DEPLOY as LAB_DEPLOY
from tests.engine.project import use
from tests.lab_client import LabHandle

OWN = {"plan": ("reconciler.cli", "plan.schema.json"), "show": ("reconciler.config", "deploy.schema.json")}


@cache
def schema(name: str) -> dict[str, Any]:
    """The published schema of a command, or of `error`, which here allows only the keys that it names."""
    package, path = OWN.get(name, ("reconciler.cli", f"schemas/{name}.schema.json"))
    content: dict[str, Any] = json.loads(files(package).joinpath(path).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return content if name == "show" else closed(content)


def closed(part: Any) -> Any:
    """The schema, refusing keys that it doesn't name."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {key: closed(value) for key, value in part.items()}
    return inner | {"unevaluatedProperties": False} if "properties" in part and part.get("type") == "object" else inner


def holds(name: str, text: str) -> Any:
    """The object in `text`, which must be one and hold to the schema."""
    answer = json.loads(text)
    jsonschema.Draft202012Validator(schema(name)).validate(answer)
    return answer


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with two runs, one of which failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECONCILER_LOCAL_ENGINE", "process")
        made = Project(tmp_path_factory.mktemp("json"))
        for name, text in (
            ("deploy.yaml", DEPLOY),
            ("train.py", PROGRAM),
            ("Dockerfile", DOCKERFILE),
            ("prices.csv", "a\n1\n"),
        ):
            made.write(name, text)
        ended = made.run("apply", "--local", "--json")
        assert ended.code == 0, ended.err
        assert holds("apply", ended.out)["verdict"]["result"] == "succeeded"
        failed = made.run("apply", "--local", "--json", "--env", "EXIT=3")
        assert failed.code == 3
        assert holds("apply", failed.out)["verdict"]["task_exit_code"] == 3
        yield made
        stop(made.folder / ".reconciler" / "local")


READS = [
    ("plan", "--local"), ("show",), ("status", "--local"), ("watch", "--local"), ("diagnose", "--local"),
    ("stop", "--local"), ("runs", "--local"), ("runs", "show", "--local"), ("runs", "best", "rows", "--local"),
    ("permissions", "--local"), ("local", "status"), ("recover", "--local"), ("unlock", "--local"),
    ("completion", "zsh"),
]  # fmt: skip
CHANGES = {"apply", "destroy", "import", "logs", "local"}  # tested below
# Commands whose own tests hold them to their schema.
ELSEWHERE = {"init", "cost", "doctor", "verify", "rollback", "exec"}


def test_every_command_is_here_and_has_a_schema() -> None:
    commands = {command.name for command in described("")}
    assert {arguments[0] for arguments in READS} | CHANGES | ELSEWHERE == commands
    assert {*json_formats.commands(), *OWN} == commands
    flags = {
        command.name: {flag for argument in command.arguments for flag in argument.flags} for command in described("")
    }
    assert {name for name, known in flags.items() if not {"--json", "--quiet", "--verbose"} <= known} == set()


@pytest.mark.share(3)
@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_what_it_prints(ran: Project, arguments: tuple[str, ...]) -> None:
    ended = ran.run(*arguments, "--json")
    holds(arguments[0], ended.out)
    assert ended.code == (3 if arguments[0] == "watch" else 0), ended.err


def test_two_runs_compared(ran: Project) -> None:
    ids = [record["id"] for record in holds("runs", ran.run("runs", "--local", "--json").out)["runs"]]
    answer = holds("runs", ran.run("runs", "compare", *ids, "--local", "--json").out)
    assert answer["inputs"] == {"containers.main.environment.EXIT": ["3", "-"]}


def test_a_log_is_an_object_a_line(ran: Project) -> None:
    lines = ran.run("logs", "--local", "--json").out.splitlines()
    assert [holds("logs", line)["text"] for line in lines] == ["hello from the task", "read 2 rows"]


def test_a_run_that_did_not_fail_has_no_cause(ran: Project) -> None:
    good = holds("runs", ran.run("runs", "--local", "--json").out)["runs"][1]["id"]
    assert holds("diagnose", ran.run("diagnose", good, "--local", "--json").out)["cause"] is None


def test_an_import(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = ran.folder / "copy"
    copy.mkdir()
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(ran.folder / ".reconciler" / "local"))
    ended = Project(copy).run("import", "--prefix", "tiny", "--local", "--json")
    assert ended.code == 0, ended.err
    assert holds("import", ended.out)["file"] == "deploy.yaml"
    shutil.rmtree(copy)


BAD: list[tuple[tuple[str, ...], int]] = [
    (("plan", "none.yaml"), 2), (("apply", "none.yaml"), 2), (("show", "none.yaml"), 2), (("aply",), 2),
    (("plan", "--nonsense"), 2), (("stop", "nothing", "--local"), 2), (("destroy", "--local"), 2), (("local", "go"), 2),
    (("plan", "--local", "--target", "role.x"), 2), (("diagnose", "nothing", "--local"), 2),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code"), BAD, ids=str)
def test_a_failure_prints_its_object_too(ran: Project, arguments: tuple[str, ...], code: int) -> None:
    ended = ran.run(*arguments, "--json")
    answer = holds("error", ended.out)
    assert ended.code == answer["exit_code"] == code
    assert answer["error"]
    assert ("verdict" in answer) is (arguments[0] == "apply")
    assert answer["error"].splitlines()[0] in ended.err


def test_an_answer_of_aws_has_its_request_id(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = use(lab, tmp_path, monkeypatch)
    project.write("deploy.yaml", LAB_DEPLOY)
    project.write("prices.csv", "a\n1\n")
    denied = {"do": "error", "status": 403, "code": "AccessDenied", "message": "no", "times": -1}
    lab.rules({"service": "ecs", "op": "DescribeClusters"} | denied)
    ended = project.run("plan", "--json")
    lab.rules()
    answer = holds("error", ended.out)
    assert (answer["aws"]["service"], answer["aws"]["operation"]) == ("ecs", "DescribeClusters")
    assert answer["aws"]["request_id"]
    assert answer["aws"]["request_id"] in ended.err


def test_last_of_all_it_is_taken_away(ran: Project) -> None:
    kept = holds("destroy", ran.run("destroy", "--local", "--yes", "--json").out)
    assert "role.tiny-task-role" in kept["done"]
    assert holds("destroy", ran.run("destroy", "--local", "--yes", "--delete-data", "--json").out)["failed"] == []
    assert holds("destroy", ran.run("destroy", "--local", "--yes", "--json").out)["done"] == []
    env = holds("local", ran.run("local", "env", "--json").out)
    record = json.loads((ran.home / "server.json").read_text())
    assert env["set"] == {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{record['port']}",
        "AWS_ACCESS_KEY_ID": record["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": record["secret_access_key"],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    assert holds("local", ran.run("local", "reset", "--json").out)["was_running"] is True
    assert holds("local", ran.run("local", "stop", "--json").out) == {
        "version": 1,
        "action": "stop",
        "was_running": True,
    }


def test_what_is_published_is_current() -> None:
    for path, text in publish.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: python -m reconciler.cli.publish"
    made = {path.name for path in publish.files() if path.parent == publish.SCHEMAS}
    assert {path.name for path in Path(publish.SCHEMAS).iterdir()} == made


def test_a_schema_refuses_what_is_not_its_form() -> None:
    right = {"version": 1, "run": "a", "result": "stopped", "task_arn": None}
    holds("stop", json.dumps(right))
    for change in ({"version": 2}, {"result": "x"}, {"task_arn": 1}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            holds("stop", json.dumps(right | change))
