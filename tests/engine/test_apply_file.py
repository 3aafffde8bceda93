"""`plan --out FILE`, `apply FILE`: exactly that, or what moved."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import plan_file as planfile
from tests.engine.project import DEPLOY, Project
from tests.engine.start import Start
from tests.lab_client import LabHandle

Act = Callable[[Project], object]
NOTHING_LAUNCHED = 120  # of an apply that failed before any task was launched


def make(project: Project) -> None:
    project.write("deploy.yaml", DEPLOY.replace("user: {}", "user: {}, github: {repository: o/n}"))
    project.ok("apply")
    project.change(", github: {repository: o/n}", "")
    project.change("retention_days: 7", "retention_days: 14")
    project.write("prices.csv", "a,b\n5,6\n")
    project.ok("plan", "--prune", "--out", "plan.json")


@pytest.fixture(scope="module")
def start(kept_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Start:
    return Start(kept_lab, tmp_path_factory.mktemp("start"), make)


@pytest.fixture
def planned(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An applied deployment, and a saved plan of three changes."""
    return start.again(tmp_path, monkeypatch)


CHANGED = {  # what the plan does
    "log-group./ecs/tiny": "update", "object.tiny-data-123456789012/data/prices.csv": "update",
    "role.tiny-ci": "delete", "oidc-provider.token.actions.githubusercontent.com": "delete",
    "policy.tiny-ci-policy": "update",
}  # fmt: skip


def test_it_does_what_it_says(planned: Project) -> None:
    assert planned.todo("--prune") == CHANGED
    planned.ok("apply", "plan.json")
    assert planned.todo("--prune") == {}
    again = planned.ok("apply", "plan.json")
    assert "Nothing to change" in again.out
    assert "moved" not in again.out


def test_what_the_file_holds(planned: Project) -> None:
    path = planned.folder / "plan.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "hunter2" not in text
    assert str(planned.folder) not in text
    saved = json.loads(text)
    assert saved["plan"] == planned.ok("plan", "--prune", "--json").json
    assert (saved["format"], saved["version"], saved["file"]) == ("reconciler-plan", 1, "deploy.yaml")
    assert saved["options"] == {
        "adopt": False, "prune": True, "delete_data": False, "skip_image": False, "target": [], "confirm": [],
    }  # fmt: skip
    docs = (planned.folder.joinpath(__file__).parents[2] / "docs" / "plan-json.md").read_text()
    assert all(f"`{key}`" in docs for key in saved)


def test_from_another_folder(planned: Project) -> None:
    (planned.folder / "plans").mkdir()
    planned.ok("plan", "--prune", "--out", "plans/a.json")
    planned.ok("apply", "plans/a.json")
    assert planned.todo("--prune") == {}


def by_hand(service: str, operation: str, **parameters: Any) -> Act:
    return lambda project: getattr(project.lab.client(service), operation)(**parameters)


INLINE = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
OBJECT = {"Bucket": "tiny-data-123456789012", "Key": "data/prices.csv"}
MOVED: dict[str, tuple[Act, str]] = {
    "a field that it changes": (
        by_hand("logs", "put_retention_policy", logGroupName="/ecs/tiny", retentionInDays=1),
        "log-group./ecs/tiny: it has changed since (retention_in_days)",
    ),
    "a resource that it leaves alone": (
        by_hand("iam", "put_role_policy", RoleName="tiny-task-role", PolicyName="x", PolicyDocument=INLINE),
        "role.tiny-task-role: nothing was to be done, and now: update (inline_policies.x)",
    ),
    "a resource that was there is gone": (
        by_hand("logs", "delete_log_group", logGroupName="/ecs/tiny"),
        "log-group./ecs/tiny: was to update, and now: create",
    ),
    "an object that it overwrites": (
        by_hand("s3", "put_object", **OBJECT, Body=b"by hand"),
        f"object.{OBJECT['Bucket']}/{OBJECT['Key']}: it has changed since (sha256",
    ),
    "a resource that it deletes": (
        by_hand("iam", "put_role_policy", RoleName="tiny-ci", PolicyName="x", PolicyDocument=INLINE),
        "role.tiny-ci: the resource to delete has changed since",
    ),
    "the data": (
        lambda project: project.write("prices.csv", "a,b\n7,8\n"),
        f"object.{OBJECT['Bucket']}/{OBJECT['Key']}: the wanted state has changed since",
    ),
    "deploy.yaml": (
        lambda project: project.change("EPOCHS: 3", "EPOCHS: 4"),
        "task-definition.tiny: nothing was to be done, and now: update (containers[main].environment.EPOCHS)",
    ),
    "a secret in deploy.yaml": (
        lambda project: project.change("hunter2", "hunter3"),
        "task-definition.tiny: nothing was to be done, and now: update (containers[main].environment.API_TOKEN, ",
    ),
    "what deploy.yaml says about the run": (
        lambda project: project.change("when: never", "when: always"),
        "deploy.yaml: it says something else than when the plan was made",
    ),
}


def writes(project: Project) -> list[str]:
    """The writes that were requested, but for the lock."""
    reads = ("Get", "List", "Describe", "Head")
    return [row["op"] for row in project.lab.log() if not row["op"].startswith(reads)]


def test_what_moved_stops_it(planned: Project) -> None:
    # One after the other, as nothing is done about any of them.
    for name, (act, line) in MOVED.items():
        act(planned)
        planned.lab.zero()
        stopped = planned.run("apply", "plan.json")
        assert stopped.code == NOTHING_LAUNCHED, name
        assert f"moved: {line}" in stopped.out, name
        assert "moved since plan.json was made; nothing was done" in stopped.err
        assert "hunter" not in stopped.out + stopped.err
        assert writes(planned) == []


def test_less_to_do_is_fine(planned: Project) -> None:
    planned.ok("apply", "--target", "log-group./ecs/tiny")
    provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    planned.lab.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    planned.ok("apply", "plan.json")
    assert planned.todo("--prune") == {}


def test_it_goes_on_where_it_was_stopped(project: Project) -> None:
    project.ok("plan", "--out", "plan.json")
    # The role is made and its policy isn't attached; the bucket is made and not everything is set on it.
    calls = (("iam", "AttachRolePolicy"), ("s3", "PutBucketVersioning"), ("ecs", "CreateCluster"))
    denied = {"do": "error", "code": "AccessDenied", "message": "no", "status": 403, "times": -1}
    project.lab.rules(*({"service": service, "op": operation} | denied for service, operation in calls))
    assert project.run("apply", "plan.json").code == NOTHING_LAUNCHED
    assert set(project.todo().values()) == {"create", "update"}
    project.lab.rules()
    project.ok("apply", "plan.json")
    assert project.todo() == {}


def test_something_that_appeared_under_a_name_that_it_makes(project: Project) -> None:
    project.ok("plan", "--out", "plan.json")
    project.lab.client("logs").create_log_group(logGroupName="/ecs/tiny", tags={"team": "x"})
    stopped = project.run("apply", "plan.json")
    assert stopped.code == NOTHING_LAUNCHED
    assert "moved: log-group./ecs/tiny: it would be skipped now: pass --adopt" in stopped.out


def test_half_made_with_something_in_it_that_nobody_planned(project: Project) -> None:
    project.ok("plan", "--out", "plan.json")
    iam = project.lab.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="tiny-task-role",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        Tags=[{"Key": "reconciler:deploy", "Value": "tiny"}],
    )
    iam.put_role_policy(RoleName="tiny-task-role", PolicyName="x", PolicyDocument=INLINE)
    stopped = project.run("apply", "plan.json")
    assert "moved: role.tiny-task-role: it has changed since (inline_policies.x)" in stopped.out


def test_the_options_are_those_of_the_plan(planned: Project) -> None:
    for option in (["--adopt"], ["--prune"], ["--delete-data"], ["--skip-image"], ["--target", "role.tiny-ci"]):
        refused = planned.run("apply", "plan.json", *option)
        assert refused.code == 2
        assert f"{option[0]} belongs to the plan" in refused.err
    other = planned.run("apply", "plan.json", "--local")
    assert other.code == 2
    assert "was made without --local" in other.err
    planned.ok("plan", "--target", "log-group./ecs/tiny", "--out", "one.json")
    planned.ok("apply", "one.json")
    assert set(planned.todo("--prune")) == set(CHANGED) - {"log-group./ecs/tiny"}


def test_a_file_that_is_cut_off_anywhere(planned: Project) -> None:
    text = (planned.folder / "plan.json").read_text()
    planned.lab.zero()
    for length in [*range(1, 60), *range(60, len(text.rstrip()), len(text) // 25)]:
        planned.write("cut.json", text[:length])
        refused = planned.run("apply", "cut.json")
        assert refused.code == 2, length
        assert refused.err.startswith("error: cut.json is cut off"), (length, refused.err)
    assert planned.lab.log() == []


@pytest.mark.parametrize(
    "inside", ["[" * 90_000 + "]" * 90_000, '{"a": ' * 30_000 + "1" + "}" * 30_000, "[" * 200 + "]" * 200]
)
def test_a_file_nested_deeply_is_refused(planned: Project, inside: str) -> None:
    """Recursion ended the command with an error that nobody foresaw."""
    text = (planned.folder / "plan.json").read_text()
    planned.lab.zero()
    ours = text.replace('"plan": {', f'"deep": {inside}, "plan": {{', 1)
    for planted in (ours, f'{{"x": {inside}, "format": "reconciler-plan"}}'):
        planned.write("deep.json", planted)
        refused = planned.run("apply", "deep.json")
        assert refused.code == 2
        assert planted is not ours or "is nested too deeply for a plan" in refused.err, refused.err
        assert "unexpected" not in refused.err
    assert planned.lab.log() == []


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    return edit


def signed(**values: Any) -> Callable[[str], str]:
    """Another plan file, as another version or account would have made it."""

    def make(text: str) -> str:
        plan = json.loads(text) | values
        return json.dumps(plan | {"checksum": planfile._checksum(plan)})

    return make


DEEP, RATHER = "[" * 100_000 + "]" * 100_000, "[" * 50 + "]" * 50  # the second is as deep as a plan may be
# What a plan never shows: anybody can make the checksum of anything.
FORGED: tuple[dict[str, Any], ...] = (
    {}, {"steps": "x"}, {"steps": [1]}, {"steps": [{}]},
    {"steps": [{"kind": "role", "name": "x", "action": "explode", "changes": []}]},
    {"steps": [{"kind": "role", "name": "x", "action": "update", "changes": [{}]}]},
)  # fmt: skip
REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "an option": (edited(lambda v: v["options"].update(delete_data=True)), "was edited or damaged"),
    "a step": (edited(lambda v: v["plan"]["steps"].pop()), "was edited or damaged"),
    "an action": (edited(lambda v: v["plan"]["steps"][0].update(action="delete")), "was edited or damaged"),
    "a hash": (edited(lambda v: v["states"]["role.tiny-ci"].update(seen="0")), "was edited or damaged"),
    "a key more": (edited(lambda v: v.update(more=1)), "was edited or damaged"),
    "a key less": (edited(lambda v: v.pop("salt")), "was edited or damaged"),
    "a type": (edited(lambda v: v.update(states=[])), "was edited or damaged"),
    "no checksum": (edited(lambda v: v.pop("checksum")), "was edited or damaged"),
    "deep inside": (
        lambda text: text.replace('"plan": {', '"plan": {"x": ' + DEEP + ","),
        "is nested too deeply for a plan",
    ),
    "rather deep": (
        lambda text: text.replace('"plan": {', '"plan": {"x": ' + RATHER + ","),
        "was edited or damaged",
    ),
    "a digit": (lambda text: text.replace('"to": 14', '"to": 15'), "was edited or damaged"),
    "a later version": (edited(lambda v: v.update(version=2)), "a plan of version 2, and this program reads version 1"),
    "no version": (edited(lambda v: v.pop("version")), "a plan of version None"),
    "another account": (signed(account="210987654321"), "is a plan for account 210987654321"),
    "another region": (signed(region="eu-west-1"), "is a plan for region eu-west-1, and this is region us-east-1"),
    "forged: no hashes": (signed(states={}), "was edited or damaged"),
    **{f"forged: {shown}": (signed(plan=shown), "was edited or damaged") for shown in FORGED},
    "forged version": (signed(version=["1" * 100_000]), "a plan of version ['11111111"),
    "another file": (signed(file="gone/deploy.yaml"), "belongs to gone/deploy.yaml, which isn't there"),
}


def test_what_is_nested_deeply_and_is_no_plan(planned: Project) -> None:
    planned.write("deep.json", '{ "x": ' + DEEP + "}")
    refused = planned.run("apply", "deep.json")
    assert (refused.code, "nested too deeply" in refused.err) == (2, True), refused.err[:500]


def test_a_file_that_is_not_for_this(planned: Project) -> None:
    text = (planned.folder / "plan.json").read_text()
    for name, (change, message) in REFUSED.items():
        assert change(text) != text, name
        planned.write("plan.json", change(text))
        planned.lab.zero()
        refused = planned.run("apply", "plan.json")
        assert refused.code == 2, name
        assert message in refused.err, name
        assert refused.err.count("error:") == 1
        assert len(refused.err) < 1000, name
        assert writes(planned) == []


def test_white_space_and_order_are_no_edits(planned: Project) -> None:
    values = json.loads((planned.folder / "plan.json").read_text())
    planned.write("plan.json", json.dumps(dict(reversed(values.items()))))
    planned.ok("apply", "plan.json")


def test_nothing_that_lies_beside_it_is_written_through(planned: Project) -> None:
    """Another user of the folder may have guessed the name of the file that becomes the plan."""
    taken = planned.folder / f".other.json.{os.getpid()}"
    taken.symlink_to(planned.folder / "prices.csv")
    before = (planned.folder / "prices.csv").read_text()
    planned.ok("plan", "--out", "other.json")
    assert (planned.folder / "prices.csv").read_text() == before
    path = planned.folder / "other.json"
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    taken.unlink()
    path.unlink()


def test_it_overwrites_plans_and_nothing_else(planned: Project) -> None:
    planned.ok("plan", "--out", "plan.json")
    before = (planned.folder / "deploy.yaml").read_text()
    for name in ("deploy.yaml", "prices.csv"):
        refused = planned.run("plan", "--out", name)
        assert refused.code == 2
        assert "is no plan file" in refused.err
    assert (planned.folder / "deploy.yaml").read_text() == before
    refused = planned.run("plan", "--out", "no/such/folder.json")
    assert refused.code == 2
    assert "there is no folder no/such" in refused.err
    assert "/dev/null is not a regular file" in planned.run("plan", "--out", "/dev/null").err
    assert Path("/dev/null").is_char_device()
    assert sorted(path.name for path in planned.folder.iterdir()) == ["deploy.yaml", "plan.json", "prices.csv"]


def test_json_and_exit_code_go_with_it(planned: Project) -> None:
    ended = planned.run("plan", "--prune", "--json", "--detailed-exitcode", "--out", "plan.json")
    assert ended.code == 2
    assert ended.json["summary"]["delete"] == 2
    done = planned.ok("apply", "plan.json", "--json")
    assert done.json["plan"]["summary"]["delete"] == 2
