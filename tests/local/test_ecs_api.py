"""The ECS operations that moto gets wrong, as AWS answers them."""

from __future__ import annotations

import concurrent.futures
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.local.ecs_tasks import _find
from reconciler.local.task import Task
from tests.local_fixtures import EmbeddedAws, unique
from tests.waiting import until


def error_of(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def quick(embedded_aws: EmbeddedAws) -> str:
    return embedded_aws.register(embedded_aws.container(embedded_aws.put_image({}, cmd=["true"])))


def sleeping(embedded_aws: EmbeddedAws) -> str:
    return embedded_aws.register(embedded_aws.container(embedded_aws.put_image({}, cmd=["sleep", "60"])))


@pytest.mark.any_request
@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "", "a b", "a" * 256])
def test_the_name_of_a_container_is_no_path(embedded_aws: EmbeddedAws, name: str) -> None:
    container = embedded_aws.container("image") | {"name": name}
    with pytest.raises(ClientError, match=r"Container\.name contains invalid characters"):
        embedded_aws.register(container)


def test_one_client_token_launches_once_even_when_used_by_many_at_the_same_time(embedded_aws: EmbeddedAws) -> None:
    family, token = quick(embedded_aws), unique("token")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: embedded_aws.run_task(family, clientToken=token), range(8)))
    assert len({answer["tasks"][0]["taskArn"] for answer in answers}) == 1
    with pytest.raises(ClientError) as caught:
        embedded_aws.run_task(family, clientToken=token, startedBy="another")
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    assert dict(caught.value.response)["resourceIds"] == [answers[0]["tasks"][0]["taskArn"]]
    assert embedded_aws.launch(family, clientToken=unique("token")) != answers[0]["tasks"][0]["taskArn"]


def test_capacity_providers(embedded_aws: EmbeddedAws) -> None:
    family, ecs = quick(embedded_aws), embedded_aws.client("ecs")
    strategy = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    tasks = embedded_aws.run_task(family, count=5, capacityProviderStrategy=strategy)["tasks"]
    names = [task["capacityProviderName"] for task in tasks]
    assert (names[0], names.count("FARGATE"), names.count("FARGATE_SPOT")) == ("FARGATE", 2, 3)
    cluster, subnet = unique("cluster"), embedded_aws.subnet()
    network = {"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": "ENABLED"}}
    ecs.create_cluster(clusterName=cluster)
    bare = {"cluster": cluster, "taskDefinition": family, "networkConfiguration": network}
    assert error_of(ecs.run_task, **bare) == (
        "InvalidParameterException",
        "No Container Instances were found in your cluster.",
    )
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    code, _ = error_of(ecs.run_task, **bare, capacityProviderStrategy=spot)
    assert code == "InvalidParameterException"
    ecs.put_cluster_capacity_providers(
        cluster=cluster, capacityProviders=["FARGATE_SPOT"], defaultCapacityProviderStrategy=spot
    )
    assert ecs.run_task(**bare)["tasks"][0]["capacityProviderName"] == "FARGATE_SPOT"
    code, _ = error_of(
        ecs.put_cluster_capacity_providers,
        cluster=cluster,
        capacityProviders=["NOPE"],
        defaultCapacityProviderStrategy=[],
    )
    assert code == "InvalidParameterException"


def test_network_is_checked_and_security_groups_may_be_left_out(embedded_aws: EmbeddedAws) -> None:
    family, subnet = quick(embedded_aws), embedded_aws.subnet()
    for configuration, words in (
        ({"subnets": ["subnet-0123"]}, "InvalidSubnetID.NotFound"),
        ({"subnets": [subnet], "securityGroups": ["sg-0123"]}, "InvalidGroup.NotFound"),
    ):
        with pytest.raises(ClientError, match=words) as caught:
            embedded_aws.run_task(family, networkConfiguration={"awsvpcConfiguration": configuration})
        assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
    with pytest.raises(ClientError, match="Network Configuration must be provided"):
        embedded_aws.client("ecs").run_task(cluster="tests", taskDefinition=family, launchType="FARGATE")


def test_a_security_group_in_use_can_not_be_deleted(embedded_aws: EmbeddedAws) -> None:
    ec2 = embedded_aws.client("ec2")
    group = ec2.create_security_group(GroupName=unique("group"), Description="d")["GroupId"]
    network = {
        "awsvpcConfiguration": {
            "subnets": [embedded_aws.subnet()],
            "securityGroups": [group],
            "assignPublicIp": "ENABLED",
        }
    }
    arn = embedded_aws.launch(sleeping(embedded_aws), networkConfiguration=network)
    assert error_of(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
    embedded_aws.client("ecs").stop_task(cluster="tests", task=arn)
    embedded_aws.finished(arn)
    ec2.delete_security_group(GroupId=group)


def test_clusters_keep_what_they_have_and_are_not_deleted_with_tasks(embedded_aws: EmbeddedAws) -> None:
    ecs, name = embedded_aws.client("ecs"), unique("cluster")
    ecs.create_cluster(clusterName=name, capacityProviders=["FARGATE"], tags=[{"key": "a", "value": "b"}])
    again = ecs.create_cluster(clusterName=name)["cluster"]
    assert (again["capacityProviders"], again["tags"]) == (["FARGATE"], [{"key": "a", "value": "b"}])
    network = {"awsvpcConfiguration": {"subnets": [embedded_aws.subnet()], "assignPublicIp": "ENABLED"}}
    arn = ecs.run_task(
        cluster=name, taskDefinition=sleeping(embedded_aws), launchType="FARGATE", networkConfiguration=network
    )["tasks"][0]["taskArn"]

    def counts() -> tuple[int, int]:
        cluster = ecs.describe_clusters(clusters=[name])["clusters"][0]
        return cluster["runningTasksCount"], cluster["pendingTasksCount"]

    until(lambda: counts() == (1, 0), "one running task")
    assert error_of(ecs.delete_cluster, cluster=name)[0] == "ClusterContainsTasksException"
    ecs.stop_task(cluster=name, task=arn)
    until(lambda: ecs.describe_tasks(cluster=name, tasks=[arn])["tasks"][0]["lastStatus"] == "STOPPED", "its end")
    assert counts() == (0, 0)
    assert ecs.delete_cluster(cluster=name)["cluster"]["status"] == "INACTIVE"
    assert ecs.create_cluster(clusterName=name)["cluster"]["status"] == "ACTIVE"


def test_unknown_tasks_are_missing(embedded_aws: EmbeddedAws) -> None:
    ecs, cluster = embedded_aws.client("ecs"), embedded_aws.cluster()
    answer = ecs.describe_tasks(cluster=cluster, tasks=["0123456789abcdef"])
    assert answer["tasks"] == []
    assert answer["failures"][0]["reason"] == "MISSING"
    assert answer["failures"][0]["arn"].endswith(":task/tests/0123456789abcdef")
    assert error_of(ecs.stop_task, cluster=cluster, task="0123456789abcdef")[0] == "InvalidParameterException"
    assert error_of(ecs.describe_tasks, cluster="nowhere", tasks=["x"])[0] == "ClusterNotFoundException"


@pytest.mark.any_request
def test_list_tasks_filters_and_pages(embedded_aws: EmbeddedAws) -> None:
    ecs, family, started_by = embedded_aws.client("ecs"), sleeping(embedded_aws), unique("by")
    arns = {t["taskArn"] for t in embedded_aws.run_task(family, count=3, startedBy=started_by)["tasks"]}
    assert set(ecs.list_tasks(cluster="tests", startedBy=started_by)["taskArns"]) == arns
    assert ecs.list_tasks(cluster="tests", startedBy=started_by, desiredStatus="STOPPED")["taskArns"] == []
    pages = ecs.get_paginator("list_tasks").paginate(cluster="tests", family=family, PaginationConfig={"PageSize": 2})
    sizes = [len(page["taskArns"]) for page in pages]
    assert sizes == [2, 1]
    assert (
        error_of(ecs.list_tasks, cluster="tests", startedBy=started_by, family=family)[0] == "InvalidParameterException"
    )
    for arn in arns:
        ecs.stop_task(cluster="tests", task=arn)
    assert set(ecs.list_tasks(cluster="tests", startedBy=started_by, desiredStatus="STOPPED")["taskArns"]) == arns
    for arn in arns:
        embedded_aws.finished(arn)


@pytest.mark.any_request
def test_run_task_refuses_what_aws_refuses(embedded_aws: EmbeddedAws) -> None:
    family, ecs = quick(embedded_aws), embedded_aws.client("ecs")
    for more, code in (
        ({"count": 11}, "InvalidParameterException"),
        ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "InvalidParameterException"),
        ({"overrides": {"cpu": "300"}}, "ClientException"),
        (
            {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
            "InvalidParameterException",
        ),
    ):
        with pytest.raises(ClientError) as caught:
            embedded_aws.run_task(family, **more)
        assert caught.value.response["Error"]["Code"] == code
    ecs.deregister_task_definition(taskDefinition=f"{family}:1")
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        embedded_aws.run_task(f"{family}:1")


@pytest.mark.any_request
@pytest.mark.parametrize(
    ("cpu", "memory", "good"),
    [
        ("256", "512", True), ("0.25 vCPU", "0.5 GB", True), ("1 vCPU", "8GB", True), ("16384", "122880", True),
        ("256", "4096", False), ("300", "512", False), ("8192", "17408", False), ("many", "512", False),
    ],
)  # fmt: skip
def test_fargate_sizes(embedded_aws: EmbeddedAws, cpu: str, memory: str, good: bool) -> None:
    ecs = embedded_aws.client("ecs")
    params: dict[str, Any] = {
        "family": unique("family"), "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": cpu,
        "memory": memory, "containerDefinitions": [{"name": "c", "image": "i"}],
    }  # fmt: skip
    if good:
        definition = ecs.register_task_definition(**params)["taskDefinition"]
        assert definition["cpu"].isdigit()
        assert definition["memory"].isdigit()
        assert definition["registeredAt"]
    else:
        assert error_of(ecs.register_task_definition, **params) == (
            "ClientException",
            "No Fargate configuration exists for given values.",
        )


def test_task_definition_tags_come_back(embedded_aws: EmbeddedAws) -> None:
    ecs, family = embedded_aws.client("ecs"), unique("family")
    tags = [{"key": "a", "value": "b"}]
    ecs.register_task_definition(
        family=family, containerDefinitions=[{"name": "c", "image": "i", "memory": 64}], tags=tags
    )
    assert ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])["tags"] == tags


class Unlisted(dict[str, Any]):
    """Tasks among which one is found without a look at the others."""

    def __iter__(self) -> Any:
        pytest.fail("all tasks were looked at")

    items = values = keys = __iter__


@pytest.mark.parametrize("name", ["{id}", "{arn}", "some/{id}"])
def test_of_ten_thousand_tasks_one_is_found_at_once(name: str) -> None:
    task: Any = object.__new__(Task)
    task.id, task.arn = "a" * 32, f"arn:aws-cn:ecs:cn-north-1:123456789012:task/mine/{'a' * 32}"
    cluster = SimpleNamespace(name="mine", arn="arn:aws-cn:ecs:cn-north-1:123456789012:cluster/mine")
    backend: Any = SimpleNamespace(tasks={"mine": Unlisted({task.arn: task})})
    assert _find(backend, cluster, name.format(id=task.id, arn=task.arn)) is task
    assert _find(backend, cluster, "b" * 32) is None
