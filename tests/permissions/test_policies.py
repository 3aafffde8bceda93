"""What the policies say, held against AWS's Service Authorization Reference as policy_sentry has it."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from typing import Any

import pytest

from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.core.needs import ALL, ANYWHERE
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.spec import Change, Observed
from reconciler.engine.missing_permissions import readings
from reconciler.image.kind import EVERY_KIND, ImageSpec
from reconciler.kinds import AnyKind, ObjectSpec
from reconciler.lower import lower, resources
from reconciler.permissions import policies
from reconciler.permissions.ci import ci_statements
from reconciler.permissions.judge import decide
from reconciler.permissions.needs import NEEDS, ONLY_ANYWHERE
from reconciler.permissions.parts import COMMANDS, OPTIONAL, OTHERS, PARTS, VERIFY
from reconciler.permissions.policies import Grant
from reconciler.permissions.preflight import of_launch, of_plan
from tests.engine.project import Project
from tests.engine.project import project as project

KEY = "arn:aws:kms:us-east-1:123456789012:alias/mine"
EVERYTHING = {
    "name": "tiny",
    "data": {"bucket": {"encryption": "aws:kms", "kms_key": KEY}, "files": [{"file": "d.csv", "key": "data/d.csv"}]},
    "image": ".",
    "ci": {"github": {"repository": "owner/tiny"}, "user": {"access_keys": 1}},
    "run": {"max_duration": "2h"},
    "cluster": {"container_insights": True},
    "service": {},
    "parameters": {"EPOCHS": "3"},
    "schedule": {"when": "rate(1 day)"},
    "notify": {"email": "me@example.com", "webhook": "arn:aws:ssm:us-east-1:123456789012:parameter/tiny/hook"},
}
SMALL = {"name": "tiny", "image": {"uri": "python:3.13-slim"}}
GLOBAL = ("aws:",)  # condition keys that every action has, or as its tags say


def names_of(file: dict[str, Any], vpc: str = "vpc-1") -> Names:
    return Names(Deploy.model_validate(file).filled(), Facts("123456789012", "aws", vpc, ()))


def grants(file: dict[str, Any], command: str, **options: Any) -> set[Grant]:
    names = names_of(file)
    return policies.for_command(command, names, resources(names), **options)


def rows(action: str) -> list[dict[str, Any]]:
    """What AWS says of an action: one row for each type of resource."""
    pytest.importorskip("policy_sentry", reason="in requirements/dev.txt")
    from policy_sentry.querying.actions import get_action_data

    service, _, name = action.partition(":")
    data = get_action_data(service, name)
    assert data, f"AWS knows no {action}"
    return list(data[service])


def declared() -> set[str]:
    """Every action in the tables."""
    kinds = {a for n in NEEDS.values() for a in n.own | {*n.listing}}
    return kinds | {a for part in (*PARTS, *OTHERS) for a in part.actions} | {a for v in OPTIONAL.values() for a in v}


@pytest.mark.parametrize("action", sorted(declared()))
def test_every_declared_action_is_one_of_awss(action: str) -> None:
    assert {row["action"] for row in rows(action)} == {action}


def test_what_is_said_to_be_allowed_on_everything_only_is() -> None:
    ours = {a for n in NEEDS.values() for a in n.own}
    ours |= {a for part in PARTS for a in part.actions}
    assert {a for a in ours if {row["resource_arn_format"] for row in rows(a)} == {"*"}} == ONLY_ANYWHERE


@pytest.mark.parametrize("command", [*COMMANDS, VERIFY])
def test_every_statement_is_one_that_aws_understands(command: str) -> None:
    for grant in grants(EVERYTHING, command, delete_data=True):
        known = rows(grant.action)
        if grant.resource == ANYWHERE:
            assert grant.action in ONLY_ANYWHERE or (grant.action, "ecs:cluster" in grant.condition) == (
                "ecs:ListTasks",
                True,
            )
        else:
            forms = [re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(row["resource_arn_format"])) for row in known]
            assert any(re.fullmatch(form, grant.resource) for form in forms if form != r"\*"), grant
        keys = {key.partition("/")[0].partition("$")[0] for row in known for key in row["condition_keys"]}
        for asked in (
            key for part in (json.loads(grant.condition) if grant.condition else {}).values() for key in part
        ):
            assert asked.startswith(GLOBAL) or asked in keys, grant


def test_nothing_is_wider_than_its_reason() -> None:
    from reconciler.cli.permissions import wide

    all_grants = {g for command in COMMANDS for g in grants(EVERYTHING, command, delete_data=True)}
    explained = {line for lines in wide(all_grants).values() for line in lines}
    for grant in all_grants:
        if grant.resource == ANYWHERE or re.search(
            r":(group|role|user|instance-profile|security-group|vpc|key)/\*$", grant.resource
        ):
            assert f"{grant.action} on {grant.resource.rpartition(':')[2]}" in explained
    assert not [g for g in all_grants if "*" in g.action]


def test_what_is_on_everything_is_so_in_the_region_alone_but_for_iam_which_is_of_none() -> None:
    for command in COMMANDS:
        names = names_of(EVERYTHING, "vpc-1")
        for statement in policies.statements(grants(EVERYTHING, command), names):
            if statement["Resource"] == ANYWHERE:
                here = "aws:RequestedRegion" in statement.get("Condition", {}).get("StringEquals", {})
                actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
                assert {action.startswith("iam:") for action in actions} == {not here} or "ecs:ListTasks" in actions


def test_a_policy_has_only_what_the_file_is_about() -> None:
    everything, small = (json.dumps(sorted(grants(file, "apply"))) for file in (EVERYTHING, SMALL))
    for part in ("oidc-provider", "iam:CreateUser", "scheduler:", "kms:", "s3:AbortMultipartUpload", 'ecr:PutImage"'):
        assert part in everything
        assert part not in small
    # Nothing of what only a deletion needs, nor what this file never sets.
    for action in (
        "iam:DeleteRole",
        "s3:DeleteBucket",
        "iam:AddUserToGroup",
        "s3:PutBucketPolicy",
        "iam:PutRolePermissionsBoundary",
    ):
        assert not [g for g in grants(SMALL, "apply") if g.action == action]
    # plan reads; S3 decrypts for it what is under a key of its own.
    verbs = {g.action.partition(":")[2] for g in grants(EVERYTHING, "plan") if g.action != "kms:Decrypt"}
    assert not [g for g in grants(SMALL, "plan") if g.action.startswith("kms:")]
    assert all(verb.startswith(("Get", "List", "Describe", "BatchGet")) for verb in verbs)
    # destroy keeps data unless it is asked for.
    kept, gone = ({g.action for g in grants(EVERYTHING, "destroy", delete_data=data)} for data in (False, True))
    assert {"s3:DeleteBucket", "s3:DeleteObjectVersion", "ecr:DeleteRepository"} <= gone - kept


@pytest.mark.parametrize(
    ("capacity", "roles"),
    [
        ([], "ECS"),
        (["FARGATE_SPOT", "FARGATE"], "ECS"),
        (["managed"], "ECS ECSCompute"),
        (["managed-spot", "managed"], "EC2Spot ECS ECSCompute"),
    ],
)
def test_aws_makes_the_roles_of_services_that_an_account_uses_first(capacity: list[str], roles: str) -> None:
    makes_role = [g for g in grants(SMALL | {"run": {"capacity": capacity}} if capacity else SMALL, "apply")
             if g.action == "iam:CreateServiceLinkedRole"]  # fmt: skip
    assert sorted(g.resource.rpartition("AWSServiceRoleFor")[2] for g in makes_role) == roles.split()
    for grant in makes_role:
        service = grant.resource.split("/")[-2]
        assert json.loads(grant.condition) == {"StringEquals": {"iam:AWSServiceName": service}}


@pytest.mark.parametrize("file", [EVERYTHING, SMALL], ids=["everything", "small"])
@pytest.mark.parametrize(
    ("command", "do"),
    [("apply", Action.CREATE), ("apply", Action.UPDATE), ("apply", Action.ADOPT), ("destroy", Action.DELETE)],
    ids=str,
)
def test_the_printed_policy_answers_what_is_asked_before_the_first_write(
    file: dict[str, Any], command: str, do: Action
) -> None:
    names = names_of(file)
    specs = resources(names)
    fields = {spec.kind: type(spec).model_fields.keys() - {"name"} for spec in specs}
    changes = {
        kind: tuple(Change(name, "old", "new") for name in sorted(field_names)) for kind, field_names in fields.items()
    }
    steps = [
        Step(do, spec.address, changes[spec.kind], None if do is Action.DELETE else spec, Observed(spec))
        for spec in specs
    ]
    asked = of_plan(Plan("tiny", tuple(steps)), names) | (of_launch(names) if command == "apply" else set())
    documents = policies.documents(policies.statements(grants(file, command, delete_data=True), names))
    assert asked
    for grant in asked:
        condition = json.loads(grant.condition) if grant.condition else {}
        context = {"aws:requestedregion": "us-east-1"} | {
            key.lower(): value if isinstance(value, str) else value[0]
            for keys in condition.values()
            for key, value in keys.items()
            if value
        }
        assert decide(documents, grant.action, grant.resource, context) == "allowed", grant


def test_a_long_policy_is_split_to_fit() -> None:
    names = names_of(EVERYTHING)
    specs = [ObjectSpec(name=f"bucket/{'x' * 40}/{number}") for number in range(300)]
    made = policies.documents(policies.statements(policies.for_command("apply", names, specs), names))
    assert len(made) > 3
    assert all(policies.policy_size(document) <= policies.LIMIT for document in made)
    allowed = {
        r
        for document in made
        for s in document["Statement"]
        for r in (s["Resource"] if isinstance(s["Resource"], list) else [s["Resource"]])
    }
    assert {f"arn:aws:s3:::{spec.name}" for spec in specs} <= allowed


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.spec.kind)
def test_every_kind_is_declared_with_its_resources(kind: AnyKind) -> None:
    needs = kind.needs
    assert needs.read, "say in its `needs` what reading it needs: `read=`"
    assert needs.on, "say in its `needs` which resources its actions are on: `on=`"
    assert needs.listing or kind.spec.part_of, "say what listing it needs, unless it is part of another"
    fields = kind.spec.model_fields.keys()
    assert needs.set.keys() | needs.fields.keys() - {""} | needs.passes.keys() <= fields
    assert needs.pushed == ALL or {*needs.pushed} <= needs.fields.keys()
    assert needs.elsewhere.keys() | needs.unseen.keys() <= needs.own


@pytest.mark.parametrize("module", sorted({m for p in (*PARTS, *OTHERS) for m in p.modules} | OPTIONAL.keys()))
def test_what_is_declared_besides_the_kinds_is_of_modules_that_exist(module: str) -> None:
    assert find_spec(f"reconciler.{module}") is not None


def test_what_ci_may_do_is_the_same_when_the_image_is_left_alone_this_time() -> None:
    names = names_of(EVERYTHING, "vpc-1")
    with_image, without = (
        [node.spec for node in lower(names.deploy, names.facts, (), image).nodes.values() if node.spec.kind == "policy"]
        for image in (ImageSpec(name=names.repository), None)
    )
    assert names.deploy.image.uri is None
    assert [spec for spec in with_image if "ci" in spec.name] == [spec for spec in without if "ci" in spec.name] != []


def test_ci_may_write_the_record() -> None:
    names = names_of(SMALL)
    record = "arn:aws:ssm:us-east-1:123456789012:parameter/reconciler/tiny/record*"
    allowed = [
        statement["Action"] for statement in ci_statements(names, resources(names)) if record in statement["Resource"]
    ]
    assert {"ssm:PutParameter", "ssm:DeleteParameter"} <= {action for actions in allowed for action in actions}


def test_what_may_not_be_read_is_named_with_its_resource() -> None:
    """The first three readings are beside the kinds: the network, what is there already, and the record."""
    for reading in readings(names_of(EVERYTHING), "plan")[:3]:
        assert reading.needs


def test_the_command(project: Project) -> None:
    alone = project.ok("permissions", "--for", "plan")
    document = json.loads(alone.out)  # nothing else on standard output
    assert document["Version"] == "2012-10-17"
    assert "tiny-plan: " in alone.err
    assert "AWS looks at no single resource there:\n  ec2:DescribeSecurityGroups on *" in alone.err
    answer = project.ok("permissions", "--json").json
    assert list(answer["commands"]) == ["plan", "apply", "run", "destroy"]
    assert answer["commands"]["plan"]["policies"] == [
        {"name": "tiny-plan", "characters": policies.policy_size(document), "document": document}
    ]
    text = project.ok("permissions").out
    assert "tiny-apply-1: " in text
    assert max(map(len, text.splitlines())) <= 130
    # No account has to be asked for that the file names.
    project.change("name: tiny", 'name: tiny\naccount: "999999999999"')
    project.lab.zero()
    assert "arn:aws:iam::999999999999:role/tiny-task-role" in project.ok("permissions", "--for", "plan").out
    assert project.lab.log() == []
    assert project.run("permissions", "--for", "planning").code == 2
