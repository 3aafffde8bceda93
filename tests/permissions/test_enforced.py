"""Each command with nothing but its printed policy, held to it by the embedded AWS's IAM.

That judges resources and the conditions it knows (docs/permissions.md says which). moto's own enforcement is a second
opinion about the actions alone: it judges almost every service's calls as if they were about `*`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from reconciler import local
from reconciler.local.signing import request
from tests.cli.conftest import DOCKERFILE, PROGRAM, Project
from tests.faults.forked import StoppableSkipping
from tests.folder import Result
from tests.local_fixtures import EmbeddedAws
from tests.stand_in_engine import FILES

DEPLOY = """\
name: tiny
data: prices.csv
image: .
task: {cpu: 256, memory: 512}
logs: {retention_days: 1}
ci: {github: {repository: owner/tiny}, user: {access_keys: 1}}
run: {max_duration: 10m}
cluster: {container_insights: true}
"""
SCHEDULE = "schedule: {when: rate(1 day)}\nnotify: {email: a@example.com}\n"


ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class Held:
    """A project whose commands run as an IAM user with the policies that a test gives it."""

    def __init__(self, project: Project, aws: EmbeddedAws, patch: pytest.MonkeyPatch) -> None:
        self.project, self.aws, self.deploy = project, aws, DEPLOY + SCHEDULE
        iam = aws.client("iam")
        iam.create_user(UserName="held")
        key = iam.create_access_key(UserName="held")["AccessKey"]
        # One session for all commands: each new one reads botocore's service models again, for half a second.
        session: Any = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"])
        patch.setattr("reconciler.aws.clients.new_session", lambda *keys: session)

    def policies(self, command: str, *more: str) -> list[dict[str, Any]]:
        """What `permissions` prints for a command."""
        ended = self.project.run("permissions", "--local", "--for", command, "--json", *more)
        assert ended.code == 0, ended.err
        made: list[dict[str, Any]] = json.loads(ended.out)["commands"][command]["policies"]
        return [entry["document"] for entry in made]

    def give(self, documents: list[dict[str, Any]]) -> None:
        """Have the user hold these, and nothing else."""
        iam = self.aws.client("iam")
        for policy in iam.list_attached_user_policies(UserName="held")["AttachedPolicies"]:
            iam.detach_user_policy(UserName="held", PolicyArn=policy["PolicyArn"])
            iam.delete_policy(PolicyArn=policy["PolicyArn"])
        for number, document in enumerate(documents):
            made = iam.create_policy(PolicyName=f"held-{number}", PolicyDocument=json.dumps(document))
            iam.attach_user_policy(UserName="held", PolicyArn=made["Policy"]["Arn"])

    def run(self, *arguments: str) -> Result:
        """A command with `--local`."""
        return self.project.run(*arguments, "--local")


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    project = Project(tmp_path)
    project.write("deploy.yaml", DEPLOY + SCHEDULE)
    project.write("train.py", PROGRAM)
    project.write("Dockerfile", DOCKERFILE)
    project.write("prices.csv", "a,b\n1,2\n3,4\n")
    home = tmp_path / ".reconciler" / "local"
    try:
        yield Held(project, EmbeddedAws(local.ensure_running(home)), monkeypatch)
    finally:
        local.stop(home)


def attached(held: Held, role: str) -> list[dict[str, Any]]:
    """The documents of the managed policies that a role has."""
    iam = held.aws.client("iam")
    arns = [policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    versions = [iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] for arn in arns]
    answers = [iam.get_policy_version(PolicyArn=a, VersionId=v) for a, v in zip(arns, versions, strict=True)]
    return [answer["PolicyVersion"]["Document"] for answer in answers]


def without(documents: list[dict[str, Any]], action: str) -> list[dict[str, Any]]:
    """The policies with this action taken away."""
    reduced: list[dict[str, Any]] = json.loads(json.dumps(documents))
    for document in reduced:
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [name for name in actions if name != action]
        document["Statement"] = [kept for kept in document["Statement"] if kept["Action"]]
    assert reduced != documents
    return reduced


@pytest.mark.long
def test_each_command_works_with_its_policy_alone_and_not_without_a_part_of_it(held: Held) -> None:
    more_data(held)
    planned(held)
    applied(held)
    same_plan_without_the_reads_of_the_whole_account(held)
    verified(held)
    run_again(held)
    pushed_by_ci(held)
    rolled_back(held)
    repeated(held)
    destroyed(held)


def test_plan_works_with_its_policy_alone_and_not_without_a_part_of_it(held: Held) -> None:
    planned(held)


def more_data(held: Held) -> None:
    """Data in a bucket that isn't the deploy's."""
    s3 = held.aws.client("s3")
    s3.create_bucket(Bucket="their-datasets")
    s3.put_object(Bucket="their-datasets", Key="rates/1.csv", Body=b"1")
    data = "data: [prices.csv, s3://their-datasets/rates]"
    held.deploy = (DEPLOY + SCHEDULE).replace("data: prices.csv", data)
    held.project.write("deploy.yaml", held.deploy)


def planned(held: Held) -> None:
    """plan, from nothing; what it may not do it doesn't."""
    held.give([])
    nothing = held.run("plan")
    assert nothing.code == 1
    assert "user/held may not read all that `plan` looks at" in nothing.err
    # The policy that it says to add is all that is missing: with it, and nothing else, it plans.
    held.give([json.loads(nothing.err[nothing.err.index("{") : nothing.err.rindex("}") + 1])])
    assert "to create" in held.run("plan").out

    plan = held.policies("plan")
    held.give(plan)
    first = held.run("plan")
    assert first.code == 0, first.err
    assert "to create" in first.out
    refused = held.run("apply", "--skip-run")
    assert refused.code == 120
    assert "ssm:GetParametersByPath" in refused.err  # of the lock
    held.give(without(plan, "s3:GetBucketOwnershipControls"))
    held.aws.client("s3").create_bucket(Bucket="tiny-data-123456789012")
    assert "s3:GetBucketOwnershipControls" in held.run("plan").err
    held.aws.client("s3").delete_bucket(Bucket="tiny-data-123456789012")


def applied(held: Held) -> None:
    """apply: everything, and the run."""
    apply = held.policies("apply")
    held.give(without(apply, "iam:CreateRole"))
    stopped = held.run("apply", "--skip-run")
    assert stopped.code == 120
    assert "iam:CreateRole" in stopped.err + stopped.out
    held.give(apply)
    done = held.run("apply")
    assert done.code == 0, done.out + done.err
    assert "| read 3 rows" in done.out
    held.give(held.policies("plan"))
    assert "Nothing to change" in held.run("plan").out


def same_plan_without_the_reads_of_the_whole_account(held: Held) -> None:
    """They save requests; without them the same comes out, of what differs too."""
    iam = held.aws.client("iam")
    role = next(entry["RoleName"] for entry in iam.list_roles()["Roles"] if "task" in entry["RoleName"])
    more = {"RoleName": role, "PolicyName": "more"}
    iam.put_role_policy(**more, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [ANYTHING]}))
    by_name = held.run("plan", "--json")
    held.give([{"Version": "2012-10-17", "Statement": [ANYTHING]}])
    assert json.loads(held.run("plan", "--json").out) == json.loads(by_name.out)
    changed = [step for step in json.loads(by_name.out)["steps"] if step["changes"]]
    assert [(step["kind"], step["name"]) for step in changed] == [("role", role)]
    iam.delete_role_policy(**more)


def verified(held: Held) -> None:
    held.give(held.policies("plan"))
    assert "not permitted" in held.run("verify").out
    held.give(held.policies("verify"))
    ended = held.run("verify")
    assert ended.code == 0, ended.out
    assert "not permitted" not in ended.out


def run_again(held: Held) -> None:
    """A run of what is there, which can't change it."""
    run = held.policies("run")
    held.give(without(run, "ecs:RunTask"))
    missing = held.run("apply", "--env", "ROUND=1")
    assert missing.code == 120
    assert "ecs:RunTask" in missing.err
    held.give(run)
    again = held.run("apply", "--env", "ROUND=2")
    assert again.code == 0, again.out + again.err
    assert "| read 3 rows" in again.out
    assert "CPU units (1 measurement; more may come)" in held.run("runs", "show").out
    held.give(without(run, "logs:FilterLogEvents"))
    unseen = held.run("runs", "show")
    assert unseen.code == 0, unseen.err
    assert "CPU units (" not in unseen.out
    held.give(run)
    held.project.write("deploy.yaml", held.deploy.replace("days: 1", "days: 3"))
    assert "logs:PutRetentionPolicy" in held.run("apply").out


def pushed_by_ci(held: Held) -> None:
    """CI: the same, and new code, of another size."""
    held.project.write("deploy.yaml", held.deploy.replace("memory: 512", "memory: 1024"))
    held.give(attached(held, "tiny-ci"))  # two policies, since one would be too large
    held.project.write("train.py", PROGRAM.replace("hello", "good morning"))
    held.project.write("prices.csv", "a,b\n1,2\n")
    pushed = held.run("apply")
    assert pushed.code == 0, pushed.out + pushed.err
    assert "| good morning from the task" in pushed.out


def rolled_back(held: Held) -> None:
    """rollback is done with what apply may do, and CI may end it."""
    ci, apply = attached(held, "tiny-ci"), held.policies("apply")
    held.give(apply)
    back = held.run("rollback")
    assert back.code == 0, back.out + back.err
    assert "~ task-definition  tiny" in back.out
    held.give(ci)
    assert held.run("rollback", "--undo").code == 0


def repeated(held: Held) -> None:
    """A run like the first, whose data and image are others now, with what may run what is there."""
    first = json.loads(held.run("runs", "--json").out)["runs"][-1]["id"]
    run = held.policies("run")
    held.give(without(run, "s3:GetObjectVersion"))
    assert "s3:GetObjectVersion" in held.run("apply", "--like", first).err
    held.give(run)
    again = held.run("apply", "--like", first)
    assert again.code == 0, again.out + again.err
    assert "| read 3 rows" in again.out


def destroyed(held: Held) -> None:
    """destroy: not the data unless asked for."""
    destroy = held.policies("destroy")
    assert "s3:DeleteBucket" not in json.dumps(destroy)
    held.give(without(destroy, "iam:DeleteRole"))
    kept = held.run("destroy", "--yes")
    assert kept.code == 1
    assert "iam:DeleteRole" in kept.err + kept.out
    held.give(destroy)
    gone = held.run("destroy", "--yes")
    assert gone.code == 0, gone.out + gone.err
    assert held.aws.client("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"] == []
    data = held.policies("destroy", "--delete-data")
    held.give(data)
    all_gone = held.run("destroy", "--yes", "--delete-data")
    assert all_gone.code == 0, all_gone.out + all_gone.err
    assert [bucket["Name"] for bucket in held.aws.client("s3").list_buckets()["Buckets"]] == ["their-datasets"]
    assert held.aws.client("iam").list_roles()["Roles"] == []


def test_a_run_with_workers(held: Held) -> None:
    (held.project.folder / "dask").mkdir()
    for name, text in FILES.items():
        held.project.write(name, text)
    held.project.write("deploy.yaml", DEPLOY.replace("run: {", "run: {workers: {count: 1}, "))
    apply = held.policies("apply")
    held.give(without(apply, "ssm:PutParameter"))
    assert "ssm:PutParameter" in held.run("apply").err
    held.give(apply)
    done = held.run("apply")
    assert done.code == 0, done.out + done.err
    assert "| workers: 1" in done.out
    held.give(held.policies("run"))
    ssm, left = held.aws.client("ssm"), "/reconciler/tiny/workers/20260101-000000-aaaaaaaa"
    ssm.put_parameter(Name=left, Value="x", Type="SecureString")  # of a run that there is no more
    again = held.run("apply", "--env", "ROUND=1")
    assert again.code == 0, again.out + again.err
    assert "certificate" not in again.err
    ssm.put_parameter(Name=left, Value="x", Type="SecureString")
    assert "Nothing to run" in held.run("apply", "--env", "ROUND=1").out
    assert not ssm.get_parameters_by_path(Path="/reconciler/tiny/workers")["Parameters"]
    ssm.put_parameter(Name=left, Value="x", Type="SecureString")
    held.project.write("deploy.yaml", DEPLOY)  # without run.workers
    held.give(held.policies("destroy"))
    gone = held.run("destroy", "--yes")
    assert gone.code == 0, gone.out + gone.err
    assert not ssm.get_parameters_by_path(Path="/reconciler/tiny/workers")["Parameters"]


def under_keys(bucket_key: str, secret: str, secret_key: str) -> str:
    """A deploy whose bucket and secret are under customer's keys."""
    where = f"data: {{files: prices.csv, bucket: {{encryption: aws:kms, kms_key: '{bucket_key}'}}}}"
    keys = f"secrets: {{TOKEN: '{secret}'}}, secret_keys: '{secret_key}'"
    return DEPLOY.replace("data: prices.csv", where).replace("memory: 512}", f"memory: 512, {keys}}}")


@pytest.mark.long  # without a server: tests/permissions/test_keys.py
@pytest.mark.parametrize("by", ["alias", "key"])
def test_a_bucket_and_a_secret_under_keys_of_their_own(held: Held, by: str) -> None:
    kms, ssm = held.aws.client("kms"), held.aws.client("ssm")
    keys = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    for name, key in zip(("data", "tokens"), keys, strict=True):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    ssm.put_parameter(Name="/own/token", Value="x", Type="SecureString", KeyId=keys[1])
    aliases = [f"arn:aws:kms:us-east-1:123456789012:alias/{name}" for name in ("data", "tokens")]
    bucket_key, secret_key = keys if by == "key" else aliases
    secret = "arn:aws:ssm:us-east-1:123456789012:parameter/own/token"
    text = under_keys(bucket_key, secret, secret_key)
    held.project.write("deploy.yaml", text)
    apply = held.policies("apply")
    held.give(without(apply, "kms:GenerateDataKey"))
    refused = held.run("apply")
    assert refused.code != 0
    assert "kms:GenerateDataKey" in refused.out + refused.err
    held.give(apply)
    done = held.run("apply")
    assert done.code == 0, done.out + done.err
    assert "| read 3 rows" in done.out  # which the task wrote, too
    held.give(held.policies("plan"))
    assert "Nothing to change" in held.run("plan").out
    # The task's own roles hold it to these keys.
    mine = json.dumps(attached(held, "tiny-task-role"))
    assert ("kms:ResourceAliases" in mine) is (by == "alias")
    held.give(apply)
    held.project.write("deploy.yaml", text.replace(secret_key, f"arn:aws:kms:us-east-1:123456789012:key/{'0' * 8}"))
    unreadable = held.run("apply", "--env", "ROUND=1")
    assert unreadable.code != 0
    assert "kms:Decrypt" in unreadable.out + unreadable.err


# What moto asks for and AWS doesn't have: HeadBucket needs s3:ListBucket.
MOTOS_OWN = {"Effect": "Allow", "Action": "s3:HeadBucket", "Resource": "*"}


def test_apply_works_under_motos_own_enforcement(held: Held) -> None:
    # Without max_duration: moto reckons another signature for the scheduler's DELETE than botocore, and than AWS.
    held.project.write("deploy.yaml", DEPLOY.replace("run: {max_duration: 10m}\n", ""))
    printed = held.policies("apply")
    everywhere = json.loads(json.dumps(printed))
    for document in everywhere:
        for statement in document["Statement"]:
            statement["Resource"] = "*"
    everywhere[0]["Statement"].append(MOTOS_OWN)

    def judged(documents: list[dict[str, Any]]) -> Result:
        """An apply, with moto judging each call."""
        held.give(documents)
        for unjudged in (0, math.inf):  # so many calls, from now on
            url, keys = held.aws.endpoint_url, held.aws.running.keys
            assert request(url, keys, "POST", "/moto-api/reset-auth", unjudged)[1]["status"] == "ok"
            if unjudged == 0:
                ended = held.run("apply")
        return ended

    refused = judged(without(everywhere, "ecs:RegisterTaskDefinition"))
    assert refused.code == 120
    assert "is not authorized to perform: ecs:RegisterTaskDefinition" in refused.out + refused.err
    done = judged(everywhere)
    assert done.code == 0, done.out + done.err
    assert "| read 3 rows" in done.out


def test_managed_instances_are_made_changed_and_deleted_with_the_policies_alone(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DEPLOY.replace("task: {cpu: 256, memory: 512}\n", "task: {gpu: 1, gpu_type: t4, memory: %s}\n")
    file = file.replace("run: {", "run: {capacity: [managed-spot, managed], ")
    held.project.write("deploy.yaml", file % "2GB")
    held.give(held.policies("apply"))
    made = held.run("apply")
    assert made.code == 0, made.out + made.err
    held.project.write("deploy.yaml", file % "8GB")
    changed = held.run("apply", "--skip-run")
    assert changed.code == 0, changed.out + changed.err
    assert "requirements.memoryMiB" in changed.out
    documents = held.policies("apply")
    held.give(held.policies("destroy", "--delete-data"))
    gone = held.run("destroy", "--yes", "--delete-data")
    assert gone.code == 0, gone.out + gone.err
    # Both roles are handed over: without the right to one, nothing is made. AWS says the same of a role that is new, so
    # that this is repeated for two minutes: they are skipped.
    held.give(without(documents, "iam:PassRole"))
    monkeypatch.setattr("reconciler.cli.target.StoppableClock", StoppableSkipping)
    refused = held.run("apply", "--skip-run")
    assert refused.code != 0
    assert "iam:PassRole" in refused.err + refused.out
