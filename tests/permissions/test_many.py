"""Deploys with many files, secrets and parameters: all of their policies fit, and allow what they have to."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.core.errors import UserError
from reconciler.kinds import PolicySpec
from reconciler.lower import may_read, resources
from reconciler.lower.checkpoints import missing
from reconciler.lower.sizes import check_sizes
from reconciler.permissions.ci import ci_statements
from reconciler.permissions.judge import decide
from reconciler.permissions.policies import documents
from tests.permissions.held import held

ACCOUNT = "123456789012"
BUCKET = f"arn:aws:s3:::tiny-data-{ACCOUNT}"
LAYOUTS = {
    "one folder": "data/btcusdt-1h-klines-archive-{0:04d}-cleaned.csv",
    "no folder": "btcusdt-1h-klines-archive-{0:04d}-cleaned.csv",
    "a folder each": "data/symbol=btcusdt/year={0:04d}/klines.csv",
    "many folders": "data/{1:02d}/btcusdt-1h-klines-archive-{0:04d}.csv",
}
ALL: dict[str, Any] = {
    "schedule": {"when": "rate(1 day)"}, "notify": {"email": "a@example.com"}, "run": {"max_duration": "1h"},
    "ci": {"github": {"repository": "owner/tiny", "pull_requests": True}, "user": {"access_keys": 1}},
}  # fmt: skip


def names_of(**file: Any) -> Names:
    fields = {"name": "tiny", "image": ".", **file}
    return Names(Deploy.model_validate(fields).filled(), Facts(ACCOUNT, "aws", "vpc-1", ("subnet-1",)))


def files(layout: str, many: int) -> list[str]:
    return [LAYOUTS[layout].format(number, number % 40) for number in range(many)]


def of_files(keys: list[str], **file: Any) -> Names:
    return names_of(**ALL, data={"files": [{"file": key, "key": key} for key in keys]}, **file)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("many", [1, 20, 21, 90, 120, 500])
def test_as_many_files_as_there_are(layout: str, many: int) -> None:
    keys = files(layout, many)
    names = of_files(keys)
    check_sizes(names, resources(names))
    by_owner = held(names)
    for key in keys:
        where = f"{BUCKET}/{key}"
        for who in ("tiny-ci", "tiny-ci-plan", "tiny-task-role"):
            assert decide(by_owner[who], "s3:GetObject", where) == "allowed", (who, key)
        assert decide(by_owner["tiny-ci"], "s3:PutObject", where) == "allowed"
        assert decide(by_owner["tiny-task-role"], "s3:PutObject", where) != "allowed"
        assert decide(by_owner["tiny-ci-plan"], "s3:PutObject", where) != "allowed"
        if "/" in key or many < 500:
            assert decide(by_owner["tiny-task-role"], "s3:ListBucket", BUCKET, {"s3:prefix": key}) == "allowed"
    for where in (f"{BUCKET}/runs/x/run.json", f"{BUCKET}/other/x.csv", "arn:aws:s3:::another/data/x.csv"):
        assert decide(by_owner["tiny-task-role"], "s3:GetObject", where) != "allowed", where
    for who in ("tiny-ci-plan", "tiny-ci"):
        for action, where in (("s3:DeleteObject", f"{BUCKET}/{keys[0]}"), ("iam:CreateRole", "*")):
            assert decide(by_owner[who], action, where) != "allowed"


@pytest.mark.parametrize("many", [1, 5, 10])
def test_few_files_are_named_each_by_itself_in_one_policy(many: int) -> None:
    keys = files("one folder", many)
    ci = {"github": {"repository": "owner/tiny"}}
    names = names_of(ci=ci, data={"files": [{"file": key, "key": key} for key in keys]})
    specs = resources(names)
    (own,) = [spec for spec in specs if isinstance(spec, PolicySpec) and spec.name.startswith("tiny-ci-policy")]
    (document,) = documents(ci_statements(names, specs))
    assert own.name == "tiny-ci-policy"
    resources_of = re.findall(rf'"{BUCKET}/data/[^"]*"', own.document.text())
    assert len({*resources_of}) == many
    assert not [arn for arn in resources_of if "*" in arn]
    assert len(document["Statement"]) == len(own.document.statements)


def test_a_name_that_is_too_long_with_the_number_of_a_part_is_said_before_anything_is_made() -> None:
    names = names_of(**ALL | {"ci": ALL["ci"] | {"policy_name": "c" * 127}})
    specs = resources(names)
    assert any(spec.name == f"{'c' * 127}.2" for spec in specs)
    with pytest.raises(UserError, match=r"c\.2: a policy's name of 129 characters, and AWS takes 128") as raised:
        check_sizes(names, specs)
    assert "write a shorter name" in raised.value.hint
    assert "NAME.2" in raised.value.hint


@pytest.mark.parametrize("many", [1, 100, 130, 400])
def test_as_many_secrets_as_a_task_definition_takes(many: int) -> None:
    arns = [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/some/team/secret-{n:03d}" for n in range(many)]
    names = names_of(task={"secrets": {f"S{n}": arn for n, arn in enumerate(arns)}})
    check_sizes(names, resources(names))
    role_documents = held(names)["tiny-task-execution-role"]
    assert all(decide(role_documents, "ssm:GetParameters", arn) == "allowed" for arn in arns)
    assert decide(role_documents, "ssm:GetParameters", f"{arns[0]}x") != "allowed"
    assert decide(
        role_documents, "logs:PutLogEvents", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/ecs/tiny:log-stream:x"
    ) == ("allowed")


@pytest.mark.parametrize("many", [1, 40, 130, 300])
def test_as_many_parameters_as_a_task_definition_takes(many: int) -> None:
    names = names_of(**ALL, parameters={f"PARAMETER_{n}": "1" for n in range(many)})
    check_sizes(names, resources(names))
    by_owner = held(names)
    folder = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/tiny"
    for n in range(many):
        for who in ("tiny-ci", "tiny-ci-plan", "tiny-task-execution-role"):
            assert decide(by_owner[who], "ssm:GetParameters", f"{folder}/PARAMETER_{n}") == "allowed", who
    for other in (f"{folder}/another", f"{folder}-2/x", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/x"):
        assert decide(by_owner["tiny-ci-plan"], "ssm:GetParameters", other) != "allowed"


def statement(many: int, **more: Any) -> dict[str, Any]:
    where = [f"arn:aws:s3:::somebodys-bucket/a/rather/long/path/{n:04d}/*" for n in range(many)]
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": where, **more}


def test_an_own_policy_is_divided_too() -> None:
    own = {
        "Statement": [statement(300, Sid="Read"), {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::x/*"}]
    }
    names = names_of(task={"role": {"policy": own}})
    check_sizes(names, resources(names))
    role_documents = held(names)["tiny-task-role"]
    assert len(role_documents) > 1
    for resource in own["Statement"][0]["Resource"]:
        assert decide(role_documents, "s3:GetObject", resource.replace("*", "x")) == "allowed"
    assert decide(role_documents, "s3:GetObject", "arn:aws:s3:::x/y") == "denied"
    for document in role_documents:
        sids = [rule["Sid"] for rule in document["Statement"] if "Sid" in rule]
        assert len({*sids}) == len(sids)


QUEUES = {"Sid": "Read", "Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
DATA = {"files": [{"file": "d.csv", "key": "data/d.csv"}]}
BESIDE: dict[str, tuple[dict[str, Any], tuple[bool, bool, bool, bool]]] = {  # task.role; may it read the data, read
    # and write its results, list queues
    "neither": ({}, (True, True, True, False)),
    "only a policy": ({"policy": {"Statement": [QUEUES]}}, (False, False, False, True)),
    "a policy beside write": (
        {"policy": {"Statement": [QUEUES]}, "write": ["runs/*/output/*"]}, (True, True, True, True)),
    "a policy beside read": ({"policy": {"Statement": [QUEUES]}, "read": ["x/*"]}, (False, False, True, True)),
}  # fmt: skip


@pytest.mark.parametrize("case", BESIDE)
def test_a_policy_beside_paths_adds_to_them(case: str) -> None:
    role, expected = BESIDE[case]
    names = names_of(task={"role": role}, data=DATA, run={"checkpoint": True})
    role_documents = held(names)["tiny-task-role"]
    output, mark = f"{BUCKET}/runs/r/output/x", f"{BUCKET}/runs/r/checkpoint/x"
    asked = (("s3:GetObject", f"{BUCKET}/data/d.csv"), ("s3:GetObject", output), ("s3:PutObject", output),
             ("sqs:ListQueues", "*"))  # fmt: skip
    assert tuple(decide(role_documents, action, where) == "allowed" for action, where in asked) == expected
    assert may_read(names, "data/d.csv") is expected[0]
    assert (decide(role_documents, "s3:PutObject", mark) == "allowed") is (case != "only a policy")
    assert bool(missing(names)) is (case == "only a policy")
    for document in role_documents:  # AWS takes no Sid twice
        sids = [rule["Sid"] for rule in document["Statement"] if "Sid" in rule]
        assert len({*sids}) == len(sids)


LONG = "x" * 5000
TOO_MUCH: dict[str, tuple[dict[str, Any], str]] = {
    "an own policy that can't be divided": (
        {"task": {"role": {"policy": {"Statement": [statement(1, Sid="x" * 6100)]}}}}, "task.role.policy"),
    "more policies than a role can have": (
        {"task": {"role": {"policy": {"Statement": [statement(1500)]}}}}, "task.role.policy: "),
    "the same where their names have dots": (
        {"task": {"role": {"name": "our.role", "policy": {"Statement": [statement(1500)]}}}}, "task.role.policy: "),
    "an own policy with a dot in its name": (
        {"task": {"role": {"policy_name": "our.policy", "policy": {"Statement": [statement(1, Sid="x" * 6100)]}}}},
        "task.role.policy"),
    "a further part of CI's own policy": (
        {"ci": {"user": {}, "policy_name": "our.ci", "policy": {"Statement": [
            statement(1, Sid="x" * 6200), statement(1, Sid="y" * 6200)]}}}, "ci.policy"),
    "CI's own policy": (
        {"ci": {"user": {}, "policy": {"Statement": [statement(1, Sid="x" * 6200)]}}}, "ci.policy"),
    "variables and what else is in the task definition": (
        {"task": {"environment": {f"A{n}": LONG for n in range(13)}}}, "task.environment"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_too_large_is_said_with_its_place_and_the_way_out(case: str) -> None:
    file, place = TOO_MUCH[case]
    names = names_of(**file)
    with pytest.raises(UserError) as caught:
        check_sizes(names, resources(names))
    assert caught.value.message.startswith(place)
    assert re.search(r"of [\d,]+ (?:characters|bytes|policies), and AWS takes [\d,]+", caught.value.message)
    assert caught.value.hint
