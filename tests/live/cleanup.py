"""Everything in an account whose name begins with a prefix: listed, and deleted whatever state it is in.

It knows nothing of the program under test and shares no code with it, so that it works when that doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

Client = Callable[[str], Any]
Found = tuple[str, Callable[[], Any]]  # what it is, and what deletes it
GONE = ("NotFound", "NoSuch", "NonExistent", "ResourceNotFound")


def pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    """All items of a list."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, ())


def schedules(client: Client, prefix: str) -> Iterator[Found]:
    api = client("scheduler")
    for schedule in pages(api, "list_schedules", "Schedules"):
        if schedule["Name"].startswith(prefix):
            arguments = {"Name": schedule["Name"], "GroupName": schedule["GroupName"]}
            yield f"schedule {schedule['GroupName']}/{schedule['Name']}", partial(api.delete_schedule, **arguments)


def rules(client: Client, prefix: str) -> Iterator[Found]:
    api = client("events")

    def delete(name: str) -> None:
        targets = [target["Id"] for target in api.list_targets_by_rule(Rule=name)["Targets"]]
        if targets:
            api.remove_targets(Rule=name, Ids=targets)
        api.delete_rule(Name=name)

    for rule in api.list_rules(NamePrefix=prefix)["Rules"]:
        yield f"rule {rule['Name']}", partial(delete, rule["Name"])


def functions(client: Client, prefix: str) -> Iterator[Found]:
    api = client("lambda")
    for function in pages(api, "list_functions", "Functions"):
        if function["FunctionName"].startswith(prefix):
            yield (
                f"function {function['FunctionName']}",
                partial(api.delete_function, FunctionName=function["FunctionName"]),
            )


def topics(client: Client, prefix: str) -> Iterator[Found]:
    api = client("sns")
    for topic in pages(api, "list_topics", "Topics"):
        if topic["TopicArn"].rpartition(":")[2].startswith(prefix):
            yield f"topic {topic['TopicArn']}", partial(api.delete_topic, TopicArn=topic["TopicArn"])


def queues(client: Client, prefix: str) -> Iterator[Found]:
    api = client("sqs")
    for url in pages(api, "list_queues", "QueueUrls", QueueNamePrefix=prefix):
        yield f"queue {url.rpartition('/')[2]}", partial(api.delete_queue, QueueUrl=url)


def clusters(client: Client, prefix: str) -> Iterator[Found]:
    api = client("ecs")

    def delete(name: str) -> None:
        for arn in api.list_services(cluster=name)["serviceArns"]:
            api.delete_service(cluster=name, service=arn, force=True)
        for provider in api.describe_capacity_providers(cluster=name)["capacityProviders"]:
            if provider["name"].startswith(prefix) and provider["status"] == "ACTIVE":
                api.delete_capacity_provider(cluster=name, capacityProvider=provider["name"])
        tasks = api.list_tasks(cluster=name)["taskArns"]
        for arn in tasks:
            api.stop_task(cluster=name, task=arn, reason="end of a test")
        if tasks:
            api.get_waiter("tasks_stopped").wait(cluster=name, tasks=tasks)
        api.delete_cluster(cluster=name)

    arns = list(pages(api, "list_clusters", "clusterArns"))
    for start in range(0, len(arns), 100):
        for cluster in api.describe_clusters(clusters=arns[start : start + 100])["clusters"]:
            if cluster["clusterName"].startswith(prefix) and cluster["status"] != "INACTIVE":
                yield f"cluster {cluster['clusterName']}", partial(delete, cluster["clusterName"])


def task_definitions(client: Client, prefix: str) -> Iterator[Found]:
    api = client("ecs")
    for family in pages(api, "list_task_definition_families", "families", familyPrefix=prefix, status="ACTIVE"):
        for arn in pages(api, "list_task_definitions", "taskDefinitionArns", familyPrefix=family, status="ACTIVE"):
            yield f"task definition {arn}", partial(api.deregister_task_definition, taskDefinition=arn)


def security_groups(client: Client, prefix: str) -> Iterator[Found]:
    api = client("ec2")
    for group in pages(api, "describe_security_groups", "SecurityGroups"):
        if group["GroupName"].startswith(prefix):
            yield f"security group {group['GroupName']}", partial(api.delete_security_group, GroupId=group["GroupId"])


def log_groups(client: Client, prefix: str) -> Iterator[Found]:
    api = client("logs")
    for start in (prefix, f"/ecs/{prefix}", f"/aws/lambda/{prefix}", f"/aws/ecs/containerinsights/{prefix}"):
        for group in pages(api, "describe_log_groups", "logGroups", logGroupNamePrefix=start):
            yield (
                f"log group {group['logGroupName']}",
                partial(api.delete_log_group, logGroupName=group["logGroupName"]),
            )


def repositories(client: Client, prefix: str) -> Iterator[Found]:
    api = client("ecr")
    for repository in pages(api, "describe_repositories", "repositories"):
        name = repository["repositoryName"]
        if name.startswith(prefix):
            yield f"repository {name}", partial(api.delete_repository, repositoryName=name, force=True)


def buckets(client: Client, prefix: str) -> Iterator[Found]:
    api = client("s3")

    def delete(name: str) -> None:
        for page in api.get_paginator("list_object_versions").paginate(Bucket=name):
            keys = [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            if keys:
                api.delete_objects(Bucket=name, Delete={"Objects": keys})
        api.delete_bucket(Bucket=name)

    for bucket in api.list_buckets()["Buckets"]:
        if bucket["Name"].startswith(prefix):
            yield f"bucket {bucket['Name']}", partial(delete, bucket["Name"])


def parameters(client: Client, prefix: str) -> Iterator[Found]:
    api = client("ssm")
    for parameter in pages(api, "describe_parameters", "Parameters"):
        if parameter["Name"].startswith((f"/reconciler/{prefix}", f"/{prefix}")):
            yield f"parameter {parameter['Name']}", partial(api.delete_parameter, Name=parameter["Name"])


def starts(prefix: str) -> tuple[str, str]:
    """How names of roles begin: AWS's own policy has ECS hand over such a role to an instance, and no other."""
    return prefix, f"ecsInstanceRole-{prefix}"


def users(client: Client, prefix: str) -> Iterator[Found]:
    api = client("iam")

    def delete(name: str) -> None:
        who = {"UserName": name}
        for key in api.list_access_keys(**who)["AccessKeyMetadata"]:
            api.delete_access_key(AccessKeyId=key["AccessKeyId"], **who)
        for policy in api.list_attached_user_policies(**who)["AttachedPolicies"]:
            api.detach_user_policy(PolicyArn=policy["PolicyArn"], **who)
        for policy in api.list_user_policies(**who)["PolicyNames"]:
            api.delete_user_policy(PolicyName=policy, **who)
        api.delete_user(**who)

    for user in pages(api, "list_users", "Users"):
        if user["UserName"].startswith(prefix):
            yield f"user {user['UserName']}", partial(delete, user["UserName"])


def roles(client: Client, prefix: str) -> Iterator[Found]:
    api = client("iam")

    def delete(name: str) -> None:
        who = {"RoleName": name}
        for policy in api.list_attached_role_policies(**who)["AttachedPolicies"]:
            api.detach_role_policy(PolicyArn=policy["PolicyArn"], **who)
        for policy in api.list_role_policies(**who)["PolicyNames"]:
            api.delete_role_policy(PolicyName=policy, **who)
        api.delete_role(**who)

    for role in pages(api, "list_roles", "Roles"):
        if role["RoleName"].startswith(starts(prefix)):
            yield f"role {role['RoleName']}", partial(delete, role["RoleName"])


def instance_profiles(client: Client, prefix: str) -> Iterator[Found]:
    api = client("iam")

    def delete(profile: dict[str, Any]) -> None:
        name = profile["InstanceProfileName"]
        for role in profile["Roles"]:
            api.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
        api.delete_instance_profile(InstanceProfileName=name)

    for profile in pages(api, "list_instance_profiles", "InstanceProfiles"):
        if profile["InstanceProfileName"].startswith(starts(prefix)):
            yield f"instance profile {profile['InstanceProfileName']}", partial(delete, profile)


def policies(client: Client, prefix: str) -> Iterator[Found]:
    api = client("iam")

    def delete(arn: str) -> None:
        for version in api.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                api.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        api.delete_policy(PolicyArn=arn)

    for policy in pages(api, "list_policies", "Policies", Scope="Local"):
        if policy["PolicyName"].startswith(prefix):
            yield f"policy {policy['PolicyName']}", partial(delete, policy["Arn"])


# In this order each can be deleted: what uses comes before what is used.
FINDERS = (
    schedules, rules, functions, topics, queues, clusters, task_definitions, security_groups, log_groups, repositories,
    buckets, parameters, users, instance_profiles, roles, policies,
)  # fmt: skip


def clean(client: Client, prefix: str) -> list[str]:
    """Delete it all; whatever fails, the rest is done. Returns what is left and why. prefix: 8 characters or more."""
    assert len(prefix) >= 8, "too little to tell what is ours"
    for _ in range(2):  # what was in use the first time
        failed: dict[str, str] = {}
        left: list[str] = []
        for finder in FINDERS:
            try:
                for name, delete in list(finder(client, prefix)):
                    try:
                        delete()
                    except (ClientError, BotoCoreError) as error:
                        if not any(word in str(error) for word in GONE):
                            failed[name] = str(error)
            except (ClientError, BotoCoreError) as error:
                left.append(f"{finder.__name__}: couldn't be listed: {error}")
        left += [f"{name}: {error}" for name, error in failed.items()]
        if not left:
            break
    return left
