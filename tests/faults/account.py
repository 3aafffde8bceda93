"""Everything that is in the lab's account, in a form in which two accounts can be compared.

Ids and times that AWS gives are left out; a run's id is RUN. What is there twice shows twice.
"""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.exceptions import ClientError

from tests.lab_client import LabHandle

RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}(?:-[0-9a-f]{2,8})?")


def account(lab: LabHandle) -> dict[str, Any]:
    """All that the account has, as plain values that can be compared."""
    parts = {
        **_identities(lab), "providers": _providers(lab), "profiles": _profiles(lab),
        "buckets": _buckets(lab), "repositories": _repositories(lab), "clusters": _clusters(lab),
        "tasks": _tasks(lab), "families": _families(lab), "logs": _logs(lab), "groups": _groups(lab),
        "parameters": _parameters(lab),
    }  # fmt: skip
    plain: dict[str, Any] = json.loads(json.dumps(parts, sort_keys=True, default=str))
    return plain


def _all(lab: LabHandle, service: str, method: str, key: str, **params: Any) -> list[Any]:
    client = lab.client(service)
    if not client.can_paginate(method):
        return list(getattr(client, method)(**params).get(key, []))
    return list(client.get_paginator(method).paginate(**params).search(f"{key}[]"))


def _maybe(lab: LabHandle, service: str, method: str, key: str, **params: Any) -> Any:
    try:
        return getattr(lab.client(service), method)(**params).get(key)
    except ClientError as error:
        return error.response["Error"]["Code"]


def _tags(pairs: Any, key: str = "Key", value: str = "Value") -> Any:
    return {t[key]: t[value] for t in pairs} if isinstance(pairs, list) else pairs


def _identities(lab: LabHandle) -> dict[str, Any]:
    """Roles, policies and users, by one call."""
    # By its ARN, since moto leaves the name of a policy out. Not AttachmentCount, which the server counts up when a
    # policy is attached again; roles and users say who has it.
    ask = lab.client("iam").get_paginator("get_account_authorization_details").paginate
    whole = ask(Filter=["User", "Role", "LocalManagedPolicy"]).build_full_result()
    roles, policies, users = (whole.get(key, []) for key in ("RoleDetailList", "Policies", "UserDetailList"))
    return {
        "roles": {
            role["RoleName"]: {
                "trust": role["AssumeRolePolicyDocument"],
                "attached": _attached(role),
                "inline": [policy["PolicyName"] for policy in role["RolePolicyList"]],
                "tags": _tags(role["Tags"]),
            }
            for role in roles
        },
        "policies": {
            policy["Arn"].rpartition("/")[2]: [
                policy["DefaultVersionId"],
                sorted(v["VersionId"] for v in policy["PolicyVersionList"]),
            ]
            for policy in policies
        },
        "users": {
            user["UserName"]: {
                "keys": len(_all(lab, "iam", "list_access_keys", "AccessKeyMetadata", UserName=user["UserName"])),
                "attached": _attached(user),
            }
            for user in users
        },
    }


def _attached(who: dict[str, Any]) -> list[str]:
    return [policy["PolicyArn"] for policy in who["AttachedManagedPolicies"]]


def _providers(lab: LabHandle) -> list[str]:
    return [p["Arn"] for p in _all(lab, "iam", "list_open_id_connect_providers", "OpenIDConnectProviderList")]


def _profiles(lab: LabHandle) -> dict[str, Any]:
    profiles = _all(lab, "iam", "list_instance_profiles", "InstanceProfiles")
    return {profile["InstanceProfileName"]: [role["RoleName"] for role in profile["Roles"]] for profile in profiles}


def _buckets(lab: LabHandle) -> dict[str, Any]:
    buckets = {}
    for bucket in lab.client("s3").list_buckets()["Buckets"]:
        name = bucket["Name"]
        versions = _all(lab, "s3", "list_object_versions", "Versions", Bucket=name)
        # The index follows the records, and is made again from them (tests/run/test_index.py): it may be behind.
        keys = [v for v in versions if v and not v["Key"].startswith("runs/index/")]
        runs = [v["Key"] for v in keys if v["IsLatest"] and v["Key"].endswith("run.json")]
        buckets[name] = {
            "versioning": _maybe(lab, "s3", "get_bucket_versioning", "Status", Bucket=name),
            "encryption": _maybe(lab, "s3", "get_bucket_encryption", "ServerSideEncryptionConfiguration", Bucket=name),
            "closed": _maybe(lab, "s3", "get_public_access_block", "PublicAccessBlockConfiguration", Bucket=name),
            "lifecycle": _maybe(lab, "s3", "get_bucket_lifecycle_configuration", "Rules", Bucket=name),
            "tags": _tags(_maybe(lab, "s3", "get_bucket_tagging", "TagSet", Bucket=name)),
            # Records of runs are written several times; data only once.
            "data": sorted([v["Key"], v["Size"]] for v in keys if not v["Key"].startswith("runs/")),
            "runs": sorted({RUN.sub("RUN", v["Key"]) for v in keys if v["Key"].startswith("runs/")}),
            "number of runs": len({m[0] for v in keys if (m := RUN.search(v["Key"]))}),
            "states": sorted(_run(lab, name, key) for key in runs),
        }
    return buckets


def _run(lab: LabHandle, bucket: str, key: str) -> str:
    run = json.loads(lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    return f"{run['state']}, {len(run.get('attempts', [1]))} attempts, exit code {run.get('exit_code')}"


def _repositories(lab: LabHandle) -> dict[str, Any]:
    repositories = {}
    for repository in _all(lab, "ecr", "describe_repositories", "repositories"):
        name = repository["repositoryName"]
        images = _all(lab, "ecr", "describe_images", "imageDetails", repositoryName=name)
        repositories[name] = {
            "scan": repository["imageScanningConfiguration"], "mutability": repository["imageTagMutability"],
            "lifecycle": _maybe(lab, "ecr", "get_lifecycle_policy", "lifecyclePolicyText", repositoryName=name),
            "tags": _tags(_all(lab, "ecr", "list_tags_for_resource", "tags", resourceArn=repository["repositoryArn"])),
            "images": sorted([i["imageDigest"], sorted(i.get("imageTags", []))] for i in images),
        }  # fmt: skip
    return repositories


def _clusters(lab: LabHandle) -> list[Any]:
    arns = _all(lab, "ecs", "list_clusters", "clusterArns")
    if not arns:
        return []
    live = lab.client("ecs").describe_clusters(clusters=arns, include=["TAGS", "SETTINGS"])["clusters"]
    keys = ("clusterName", "capacityProviders", "defaultCapacityProviderStrategy", "settings", "tags")
    there = [c for c in live if c["status"] != "INACTIVE"]
    for live_cluster in there:  # several are made at once
        live_cluster["capacityProviders"] = sorted(live_cluster["capacityProviders"])
    return [{key: c.get(key) for key in keys} | _capacity(lab, c["clusterName"]) for c in there]


def _capacity(lab: LabHandle, cluster: str) -> dict[str, Any]:
    """The providers that are the cluster's own."""
    providers = lab.client("ecs").describe_capacity_providers(cluster=cluster, include=["TAGS"])["capacityProviders"]
    keys = ("name", "status", "tags")
    made = [
        {key: provider.get(key) for key in keys} for provider in providers if provider.get("managedInstancesProvider")
    ]
    return {"managed": sorted(made, key=lambda provider: str(provider["name"]))} if made else {}


def _tasks(lab: LabHandle) -> list[Any]:
    tasks = []
    ecs = lab.client("ecs")
    for cluster in _all(lab, "ecs", "list_clusters", "clusterArns"):
        arns = [a for s in ("RUNNING", "STOPPED") for a in ecs.list_tasks(cluster=cluster, desiredStatus=s)["taskArns"]]
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []:
            codes = [c.get("exitCode") for c in task["containers"]]
            tasks.append([RUN.sub("RUN", task.get("startedBy", "")), task["lastStatus"], codes])
    return sorted(tasks)


def _families(lab: LabHandle) -> dict[str, Any]:
    families = {}
    for arn in _all(lab, "ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE"):
        answer = lab.client("ecs").describe_task_definition(taskDefinition=arn, include=["TAGS"])
        families[arn] = [answer["taskDefinition"]["containerDefinitions"], _tags(answer.get("tags"), "key", "value")]
    return families


def _logs(lab: LabHandle) -> list[Any]:
    groups = []
    for group in _all(lab, "logs", "describe_log_groups", "logGroups"):
        tags = lab.client("logs").list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
        streams = _all(lab, "logs", "describe_log_streams", "logStreams", logGroupName=group["logGroupName"])
        groups.append([group["logGroupName"], group.get("retentionInDays"), tags, len(streams)])
    return groups


def _groups(lab: LabHandle) -> list[Any]:
    groups = _all(lab, "ec2", "describe_security_groups", "SecurityGroups")
    keys = ("GroupName", "Description", "IpPermissions", "IpPermissionsEgress", "Tags")
    return [{key: g.get(key) for key in keys} for g in groups if g["GroupName"] != "default"]


def _parameters(lab: LabHandle) -> dict[str, str]:
    """All but a lock: one that has ended may stay until the next command takes it away."""
    parameters = _all(lab, "ssm", "get_parameters_by_path", "Parameters", Path="/reconciler", Recursive=True)
    kept = [p for p in parameters if "/lock/" not in p["Name"]]
    return {p["Name"]: p["Value"] if "/record/" in p["Name"] else p["Type"] for p in kept}
