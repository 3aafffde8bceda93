"""What an account has of each kind, by name, and whose it says that it is. Reads only.

`observe` reads what it is asked for by name; this finds the names: for `import`, which looks for some that a person
gave, and for `recover`, which looks for ownership tags. Every kind is listed by its own service: the Resource Groups
Tagging API leaves out most of IAM, and lags behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.spec import OWNER_TAG
from reconciler.kinds import AnyKind, Cluster, Queue, Schedule, Service

# Roles that AWS makes and keeps for itself.
AWS_PATHS = ("/aws-service-role/", "/aws-reserved/")


def _roles(aws: Aws) -> list[str]:
    roles = aws.pages("iam", "ListRoles", "Roles")
    return [role["RoleName"] for role in roles if not role["Path"].startswith(AWS_PATHS)]


def _providers(aws: Aws) -> list[str]:
    found = aws.pages("iam", "ListOpenIDConnectProviders", "OpenIDConnectProviderList")
    return [provider["Arn"].partition("oidc-provider/")[2] for provider in found]


def _clusters(aws: Aws) -> list[str]:
    return [arn.rpartition("/")[2] for arn in aws.pages("ecs", "ListClusters", "clusterArns")]


def _services(aws: Aws) -> list[str]:
    found = aws.each(lambda c: list(aws.pages("ecs", "ListServices", "serviceArns", cluster=c)), _clusters(aws))
    return ["/".join(arn.rsplit("/", 2)[-2:]) for arns in found for arn in arns]


def _named(service: str, operation: str, items: str, name: str, **parameters: Any) -> Callable[[Aws], list[str]]:
    return lambda aws: [one[name] for one in aws.pages(service, operation, items, **parameters)]


NAMES: Mapping[str, Callable[[Aws], list[str]]] = {
    "oidc-provider": _providers,
    "policy": _named("iam", "ListPolicies", "Policies", "PolicyName", Scope="Local"),
    "role": _roles,
    "user": _named("iam", "ListUsers", "Users", "UserName"),
    "bucket": _named("s3", "ListBuckets", "Buckets", "Name"),
    "repository": _named("ecr", "DescribeRepositories", "repositories", "repositoryName"),
    "log-group": _named("logs", "DescribeLogGroups", "logGroups", "logGroupName"),
    "security-group": _named("ec2", "DescribeSecurityGroups", "SecurityGroups", "GroupName"),
    "parameter": _named("ssm", "DescribeParameters", "Parameters", "Name"),
    "cluster": _clusters,
    "queue": lambda aws: [url.rpartition("/")[2] for url in aws.pages("sqs", "ListQueues", "QueueUrls")],
    "schedule": _named("scheduler", "ListSchedules", "Schedules", "Name", GroupName="default"),
    "topic": lambda aws: [one["TopicArn"].rpartition(":")[2] for one in aws.pages("sns", "ListTopics", "Topics")],
    "function": _named("lambda", "ListFunctions", "Functions", "FunctionName"),
    "rule": _named("events", "ListRules", "Rules", "Name"),
    "service": _services,
    "task-definition": lambda aws: list(aws.pages("ecs", "ListTaskDefinitionFamilies", "families", status="ACTIVE")),
}


def names(aws: Aws, kind: str) -> list[str]:
    """The names of all resources of a kind, sorted. Raises AwsError."""
    return sorted(set(NAMES[kind](aws)))


def _pairs(service: str, operation: str, key: str, items: str) -> Callable[[Aws, str], str | None]:
    def read(aws: Aws, name: str) -> str | None:
        answer = aws.find(service, operation, **{key: name}) or {}
        return tags.mapping(answer.get(items)).get(OWNER_TAG)

    return read


def _by_arn(service: str, operation: str, key: str, items: str, resource: str) -> Callable[[Aws, str], str | None]:
    read = _pairs(service, operation, key, items)
    return lambda aws, name: read(aws, aws.arn(service, resource.format(name)))


def _log_group(aws: Aws, name: str) -> str | None:
    answer = aws.find("logs", "ListTagsForResource", resourceArn=aws.arn("logs", f"log-group:{name}")) or {}
    owner = answer.get("tags", {}).get(OWNER_TAG)
    return str(owner) if owner else None


def _function(aws: Aws, name: str) -> str | None:
    answer = aws.find("lambda", "ListTags", Resource=aws.arn("lambda", f"function:{name}")) or {}
    owner = answer.get("Tags", {}).get(OWNER_TAG)
    return str(owner) if owner else None


def _family(aws: Aws, name: str) -> str | None:
    answer = aws.find("ecs", "DescribeTaskDefinition", taskDefinition=name, include=["TAGS"]) or {}
    return tags.mapping(answer.get("tags"), "key", "value").get(OWNER_TAG)


_OWNER: Mapping[str, Callable[[Aws, str], str | None]] = {
    "oidc-provider": _by_arn(
        "iam", "ListOpenIDConnectProviderTags", "OpenIDConnectProviderArn", "Tags", "oidc-provider/{}"
    ),
    "role": _pairs("iam", "ListRoleTags", "RoleName", "Tags"),
    "user": _pairs("iam", "ListUserTags", "UserName", "Tags"),
    "bucket": _pairs("s3", "GetBucketTagging", "Bucket", "TagSet"),
    "repository": _by_arn("ecr", "ListTagsForResource", "resourceArn", "tags", "repository/{}"),
    "log-group": _log_group,
    "task-definition": _family,
    "topic": _by_arn("sns", "ListTagsForResource", "ResourceArn", "Tags", "{}"),
    "function": _function,
    "rule": _by_arn("events", "ListTagsForResource", "ResourceARN", "Tags", "rule/{}"),
}


READ_AT_ONCE: Mapping[str, AnyKind] = {"cluster": Cluster(), "service": Service()}


def owned(aws: Aws, kind: str, deploy: str) -> list[str]:
    """The names of the resources of a kind that carry the deploy's ownership tag, sorted. Raises AwsError."""
    if kind == "security-group":
        mine = [{"Name": f"tag:{OWNER_TAG}", "Values": [deploy]}]
        found = aws.pages("ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=mine)
        return sorted({group["GroupName"] for group in found})
    if kind == "parameter":
        tagged = [{"Key": f"tag:{OWNER_TAG}", "Option": "Equals", "Values": [deploy]}]
        found = aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=tagged)
        return sorted(one["Name"] for one in found)
    if kind in ("cluster", "service"):
        live = READ_AT_ONCE[kind].observe(aws, [READ_AT_ONCE[kind].spec(name=name) for name in names(aws, kind)])
        return sorted(name for name, one in live.items() if one.owner == deploy)
    if kind == "policy":
        # By the ARN that the listing gives, since a policy may have a path.
        listed = {one["PolicyName"]: one["Arn"] for one in aws.pages("iam", "ListPolicies", "Policies", Scope="Local")}
        owner = _pairs("iam", "ListPolicyTags", "PolicyArn", "Tags")
        owners = aws.each(lambda arn: owner(aws, arn), listed.values())
        return sorted(name for name, found_owner in zip(listed, owners, strict=True) if found_owner == deploy)
    if kind in ("queue", "schedule"):
        one: Any = Queue() if kind == "queue" else Schedule()
        seen = one.observe(aws, [one.spec(name=name) for name in names(aws, kind)])
        return sorted(name for name, found_one in seen.items() if found_one.owner == deploy)
    listed_names = names(aws, kind)
    owners = aws.each(partial(_OWNER[kind], aws), listed_names)
    return sorted(name for name, found_owner in zip(listed_names, owners, strict=True) if found_owner == deploy)
