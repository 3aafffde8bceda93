"""`import` of other deployments: what deploy.yaml can't say, what could be meant twice, what must not be written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.engine.project import DEPLOY, Project
from tests.engine.project import project as project
from tests.importer import guide

Client = Callable[[str], Any]


def inline_policy(client: Client) -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": statement}
    client("iam").put_role_policy(RoleName=guide.TASK_ROLE, PolicyName="more", PolicyDocument=json.dumps(document))


def second_policy(client: Client) -> None:
    client("iam").attach_role_policy(RoleName=guide.TASK_ROLE, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")


def way_in(client: Client) -> None:
    ec2 = client("ec2")
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [guide.GROUP]}])["SecurityGroups"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group[0]["GroupId"], IpPermissions=[rule])


def two_containers(client: Client) -> None:
    definition = guide.task_definition("123456789012")
    definition["containerDefinitions"].append({"name": "side", "image": "busybox", "essential": False})
    client("ecs").register_task_definition(**definition)


def reversed_policy(client: Client) -> None:
    document = {"Statement": [{"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}], "Version": "2012-10-17"}
    arn = f"arn:aws:iam::123456789012:policy/{guide.P}-s3-access-policy"
    client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)


def no_log_group(client: Client) -> None:
    client("logs").delete_log_group(logGroupName=guide.LOG_GROUP)


UNSAID = [
    (inline_policy, f"role.{guide.TASK_ROLE}: inline_policies.more"),
    (second_policy, f"role.{guide.TASK_ROLE}: managed_policies"),
    (way_in, f"security-group.{guide.GROUP}: ingress"),
    (two_containers, f"task-definition.{guide.FAMILY}: containers[side]"),
    (reversed_policy, f"policy.{guide.P}-s3-access-policy: document"),
    (no_log_group, f"log-group.{guide.LOG_GROUP} isn't there"),
]


def test_what_it_cannot_say_is_said(by_hand: Project) -> None:
    for change, _ in UNSAID:
        change(by_hand.lab.client)
    done = by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    text = (by_hand.folder / "deploy.yaml").read_text()
    header = [line[4:] for line in text.splitlines() if line.startswith("#   ")]
    for _, line in UNSAID:
        assert any(difference.startswith(line) for difference in header), (line, header)
    assert all(f"  {difference}\n" in done.out for difference in header)
    # The lines are about those resources of which the plan shows a difference, and no others.
    assert {difference.partition(": ")[0].removesuffix(" isn't there") for difference in header} == set(by_hand.todo())


def test_what_others_attached_is_allowed_by_a_line(by_hand: Project) -> None:
    client = by_hand.lab.client
    topic = client("sns").create_topic(Name="told")["TopicArn"]
    bucket = client("s3").list_buckets()["Buckets"][0]["Name"]
    told = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    stream = "arn:aws:kinesis:us-east-1:123456789012:stream/lines"
    client("kinesis").create_stream(StreamName="lines", ShardCount=1)
    to = {"logGroupName": guide.LOG_GROUP, "filterName": "all", "filterPattern": "", "destinationArn": stream}
    client("logs").put_subscription_filter(**to, roleArn="arn:aws:iam::123456789012:role/ships")
    made = {"UserName": guide.USER, "ServiceName": "codecommit.amazonaws.com"}
    credential = client("iam").create_service_specific_credential(**made)["ServiceSpecificCredential"]
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    allow = yaml.safe_load((by_hand.folder / "deploy.yaml").read_text())["allow"]
    assert allow == {"bucket": [topic], "log_group": [stream], "user": [credential["ServiceSpecificCredentialId"]]}
    assert by_hand.todo() == {}


def test_adoption_changes_tags_alone(by_hand: Project) -> None:
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    keys = by_hand.lab.client("iam").list_access_keys(UserName=guide.USER)["AccessKeyMetadata"]
    steps = [step for step in by_hand.plan("--adopt").values() if step["action"] != "none"]
    assert {step["action"] for step in steps} == {"adopt"}
    assert {change["path"] for step in steps for change in step["changes"]} == {"tags.reconciler:deploy"}
    assert len(steps) >= 11
    by_hand.ok("apply", "--adopt", "--skip-run")
    assert by_hand.todo() == {}
    assert by_hand.todo("--adopt") == {}
    revisions = by_hand.lab.client("ecs").list_task_definitions(familyPrefix=guide.FAMILY)["taskDefinitionArns"]
    assert len(revisions) == 1, "tags need no new revision"
    assert by_hand.lab.client("iam").list_access_keys(UserName=guide.USER)["AccessKeyMetadata"] == keys


def test_other_values_of_the_guides_fields(by_hand: Project) -> None:
    client = by_hand.lab.client
    definition = guide.task_definition("123456789012") | {"cpu": "4096", "memory": "8192"}
    definition |= {"runtimePlatform": {"cpuArchitecture": "ARM64"}, "ephemeralStorage": {"sizeInGiB": 40}}
    container = definition["containerDefinitions"][0]
    container |= {"command": ["python", "-m", "train", "${HOME}: # x"], "entryPoint": ["env"], "stopTimeout": 90}
    variables = {"NOTE": 'a "b" ${X}: # c', "YES": "yes", "ONE": "1.10"}
    container["environment"] += [{"name": name, "value": value} for name, value in variables.items()]
    container["logConfiguration"]["options"]["awslogs-stream-prefix"] = "train"
    client("ecs").register_task_definition(**definition)
    client("ecs").update_cluster(cluster=guide.CLUSTER, settings=[{"name": "containerInsights", "value": "enabled"}])
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 4}, {"capacityProvider": "FARGATE", "weight": 1, "base": 1}]
    client("ecs").put_cluster_capacity_providers(
        cluster=guide.CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=spot
    )
    client("logs").delete_retention_policy(logGroupName=guide.LOG_GROUP)
    client("iam").update_role(RoleName=guide.TASK_ROLE, Description="For training: #1", MaxSessionDuration=3600)
    client("ecr").put_image_tag_mutability(repositoryName=guide.REPOSITORY, imageTagMutability="IMMUTABLE")
    rules = [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "runs/"}, "Expiration": {"Days": 9}}]
    client("s3").put_bucket_lifecycle_configuration(Bucket=guide.BUCKET, LifecycleConfiguration={"Rules": rules})
    client("s3").delete_public_access_block(Bucket=guide.BUCKET)
    done = by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    assert "its plan shows no differences" in done.out
    assert by_hand.todo() == {}


def test_what_we_made_ourselves_comes_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("deploy.yaml", DEPLOY.replace("ci: {user: {}}", "ci: {github: {repository: o/n, branch: next}}"))
    tags = "team: forecasting, owner: planted-one-1, by: 'https://me:planted-two@host/', api_key: planted-3"
    project.change("logs:", f"tags: {{{tags}}}\nlogs:")
    monkeypatch.setenv("SOME_TOKEN", "planted-one-1")
    project.ok("apply")
    project.lab.client("s3").put_object(Bucket="tiny-data-123456789012", Key="other", Body=b"x")
    (project.folder / "deploy.yaml").rename(project.folder / "lost.yaml")
    done = project.run("import", "--prefix", "tiny", "--data", "prices.csv")
    text = (project.folder / "deploy.yaml").read_text()
    assert "API_TOKEN: ${API_TOKEN} # looks like a secret" in text
    assert "hunter2" not in text + done.out + done.err
    assert "planted" not in text + done.out + done.err
    assert "owner: ${owner}" in text
    assert "bucket tiny-data-123456789012 has 1 other objects" in done.out
    assert "team: forecasting" in text
    assert "branch: next" in text


def test_what_we_made_ourselves_comes_back_without_differences(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("deploy.yaml", DEPLOY.replace("ci: {user: {}}", "ci: {github: {repository: o/n, branch: next}}"))
    project.ok("apply")
    (project.folder / "deploy.yaml").rename(project.folder / "lost.yaml")
    monkeypatch.setenv("API_TOKEN", "hunter2")
    project.ok("import", "--prefix", "tiny", "--data", "prices.csv")
    assert project.todo("--prune") == {}, "it is this deploy's again: nothing has left the file"
    # The provider is no part of the prefix, and is found by the role that trusts it.
    assert "oidc-provider.token.actions.githubusercontent.com" in project.plan()


@pytest.mark.parametrize(
    ("task", "capacity"),
    [
        ("  gpu: 1\n  gpu_type: [l4, t4]\n  ephemeral_storage: 200\n", ["managed-spot", "managed"]),
        ("", ["managed"]),
        ("  platform: ARM64\n", ["managed-spot", "FARGATE"]),
    ],
)
def test_managed_instances_come_back(
    project: Project, monkeypatch: pytest.MonkeyPatch, task: str, capacity: list[str]
) -> None:
    run = json.dumps({"when": "never", "capacity": capacity})
    text = DEPLOY.replace("{when: never}", run).replace("logs:", f"{task}logs:")
    project.write("deploy.yaml", text)
    project.ok("apply")
    (project.folder / "deploy.yaml").rename(project.folder / "lost.yaml")
    monkeypatch.setenv("API_TOKEN", "hunter2")
    done = project.ok("import", "--prefix", "tiny", "--data", "prices.csv", "--json").json
    assert done["differences"] == []
    assert project.todo("--prune") == {}
    tree = yaml.safe_load((project.folder / "deploy.yaml").read_text())
    assert tree["run"]["capacity"] == capacity
    assert any("run.capacity" in note for note in done["notes"]) is (len(capacity) > 1)


NARROW: dict[str, dict[str, Any]] = {
    "off": {"Status": "Disabled", "Filter": {"Prefix": "runs/"}, "Expiration": {"Days": 9}},
    "large": {"Filter": {"And": {"Prefix": "big/", "ObjectSizeGreaterThan": 9}}, "Expiration": {"Days": 9}},
    "tagged": {"Filter": {"And": {"Prefix": "t/", "Tags": [{"Key": "k", "Value": "v"}]}}, "Expiration": {"Days": 9}},
    "two tags": {
        "Filter": {"And": {"Prefix": "u/", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "v"}]}},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 9},
    },
}  # fmt: skip


def test_a_rule_that_deletes_is_carried_over_whole_or_not_at_all(by_hand: Project) -> None:
    rules = [{"ID": name, "Status": "Enabled", **rule} for name, rule in NARROW.items()]
    whole_rule = {"ID": "whole", "Status": "Enabled", "Filter": {"Prefix": "w/"}, "Expiration": {"Days": 7}}
    by_hand.lab.client("s3").put_bucket_lifecycle_configuration(
        Bucket=guide.BUCKET, LifecycleConfiguration={"Rules": [*rules, whole_rule]}
    )
    done = by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    text = by_hand.folder.joinpath("deploy.yaml").read_text()
    assert yaml.safe_load(text)["data"]["bucket"]["lifecycle"] == [{"prefix": "w/", "expire_days": 7}]
    named = re.findall(rf"bucket {guide.BUCKET}: its lifecycle rule for (.*) says more than deploy.yaml can", done.out)
    assert sorted(named) == ["*", "*", "runs/", "t/ k=v"]


def test_what_workers_and_checkpoints_need_is_said(project: Project) -> None:
    """No rule that was for what a failed run left becomes one for all results."""
    run = "{when: never, workers: {count: 2}, unattended: true, checkpoint: true, exec: true}"
    project.write("deploy.yaml", DEPLOY.replace("{when: never}", run).replace(", API_TOKEN: hunter2", ""))
    project.ok("apply")
    project.folder.joinpath("deploy.yaml").rename(project.folder / "big.yaml")
    done = project.ok("import", "--prefix", "tiny", "--data", "prices.csv", "--json").json
    plan = project.plan("--prune")
    assert plan["bucket.tiny-data-123456789012"]["action"] == "none"
    assert project.ok("show", "--json").json["run"]["checkpoint"] is True
    changes = {address for address, step in plan.items() if step["action"] != "none"}
    assert {line.split(":")[0].split(" is ")[0] for line in done["differences"]} == changes
    assert changes >= {"function.tiny-schedule-watcher", "security-group.tiny"}


def test_several_could_be_meant(by_hand: Project) -> None:
    by_hand.lab.client("ecs").create_cluster(clusterName=f"{guide.P}-other")
    several = by_hand.run("import", "--prefix", guide.P)
    assert several.code == 2
    assert f"{guide.CLUSTER}, {guide.P}-other" in several.err
    assert f"--take cluster.{guide.CLUSTER}" in several.err
    assert not (by_hand.folder / "deploy.yaml").exists()
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv", "--take", f"cluster.{guide.CLUSTER}")
    assert by_hand.todo() == {}


def test_without_a_task_definition(by_hand: Project) -> None:
    ecs = by_hand.lab.client("ecs")
    for arn in ecs.list_task_definitions(familyPrefix=guide.FAMILY)["taskDefinitionArns"]:
        ecs.deregister_task_definition(taskDefinition=arn)
    by_hand.write("Dockerfile", "FROM scratch\n")
    done = by_hand.ok("import", "--prefix", guide.P)
    text = (by_hand.folder / "deploy.yaml").read_text()
    for name in (guide.EXECUTION_ROLE, guide.TASK_ROLE, guide.BUCKET, guide.REPOSITORY, guide.LOG_GROUP, guide.CLUSTER):
        assert f": {name}\n" in text
    assert "isn't there" in done.out
    todo = by_hand.todo("--skip-image")
    assert {a for a, action in todo.items() if action == "create"} == {f"task-definition.{guide.P}"}


def test_a_permission_is_missing(by_hand: Project) -> None:
    by_hand.lab.rules({"service": "ecs", "op": "ListClusters", "do": "error", "code": "AccessDeniedException",
                       "message": "no", "status": 400, "times": -1})  # fmt: skip
    denied = by_hand.run("import", "--prefix", guide.P)
    assert denied.code == 1
    assert "ecs:ListClusters" in denied.err
    assert not (by_hand.folder / "deploy.yaml").exists()


BIG = (
    DEPLOY.replace(", API_TOKEN: hunter2", "").replace(
        "ci: {user: {}}", "ci: {user: {}, github: {repository: o/n, pull_requests: true}}"
    )
    + """\
schedule: {when: rate(1 day)}
notify: {email: a@example.com}
parameters: {ETA: 0.1}
service: {desired_count: 0}
"""
)


def test_what_is_in_no_part_of_the_file_is_said(project: Project) -> None:
    """Of a deployment that this program made itself: no more and no less than what the next plan deletes."""
    project.write("deploy.yaml", BIG)
    project.ok("apply")
    project.folder.joinpath("deploy.yaml").rename(project.folder / "big.yaml")
    done = project.ok("import", "--prefix", "tiny", "--data", "prices.csv", "--json").json
    kinds = {line.partition(".")[0] for line in done["differences"] if line.endswith("isn't in this file")}
    assert kinds >= {"schedule", "topic", "parameter", "service", "function", "queue", "rule"}
    github = project.ok("show", "--json").json["ci"]["github"]
    assert (github["pull_requests"], github["plan_role"]) == (True, "tiny-ci-plan")
    deletes = {address for address, step in project.plan("--prune").items() if step["action"] == "delete"}
    named = {
        line.partition(" exists")[0].partition(" is ")[0]
        for line in done["differences"]
        if line.endswith("isn't in this file")
    }
    assert named == deletes
    told = project.ok(
        "import", "--prefix", "tiny", "-o", "again.yaml", "--take", "cluster.tiny", "--data", "prices.csv"
    )
    assert "its plan shows no differences" not in told.out


def test_a_role_for_a_branch_and_pull_requests_is_said(project: Project) -> None:
    project.write("deploy.yaml", BIG.replace(", pull_requests: true", ""))
    project.ok("apply")
    iam = project.lab.client("iam")
    (name,) = [
        role["RoleName"]
        for role in iam.list_roles()["Roles"]
        if "repo:o" in json.dumps(role["AssumeRolePolicyDocument"])
    ]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    named = statement["Condition"]["StringEquals"]
    named["token.actions.githubusercontent.com:sub"] = ["repo:o/n:ref:refs/heads/main", "repo:o/n:pull_request"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    project.folder.joinpath("deploy.yaml").rename(project.folder / "big.yaml")
    done = project.ok("import", "--prefix", "tiny", "--data", "prices.csv")
    assert f"role.{name} trusts pull requests, and no role trusts one branch alone: left out" in done.out


def test_a_service_that_was_made_by_hand_is_said(by_hand: Project) -> None:
    ecs = by_hand.lab.client("ecs")
    (cluster,) = [arn for arn in ecs.list_clusters()["clusterArns"] if guide.P in arn]
    network = {"awsvpcConfiguration": {"subnets": ["subnet-0"], "securityGroups": []}}
    ec2 = by_hand.lab.client("ec2")
    network["awsvpcConfiguration"]["subnets"] = [ec2.describe_subnets()["Subnets"][0]["SubnetId"]]
    name = "inference"  # in the cluster, under a name of its own
    ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=guide.FAMILY, desiredCount=0,
                       launchType="FARGATE", networkConfiguration=network)  # fmt: skip
    done = by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    line = f"service.{cluster.rpartition('/')[2]}/{name} exists, but isn't in this file"
    assert line in done.out
    assert line in (by_hand.folder / "deploy.yaml").read_text()
    assert "no differences" not in done.out
