"""Which resources AWS looks at when it judges a request, as far as that is known here: the ARNs and the conditions.

What isn't in the tables is judged by its action alone (ANY_RESOURCE), so that nothing is refused that AWS would allow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from moto.backends import get_backend
from moto.utilities.utils import get_partition

from reconciler.local import kms
from reconciler.permissions.judge import ANY_RESOURCE

Params = Mapping[str, Any]


class Place(NamedTuple):
    """Whose request it is, and where."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """An ARN there; IAM's have no region."""
        region = "" if service == "iam" else self.region
        return f"arn:{get_partition(self.region)}:{service}:{region}:{self.account}:{resource}"


class Wanted(NamedTuple):
    """One permission: action, ARN, conditions that are known. unless_denied: the resource's own policy allows it to all
    of the account, so that only a deny refuses it.
    """

    action: str
    resource: str
    context: dict[str, Any] = {}  # noqa: RUF012  never changed
    unless_denied: bool = False


IAM_NAMES = (
    ("OpenIDConnectProviderArn", "{}"), ("InstanceProfileName", "instance-profile/{}"), ("GroupName", "group/{}"),
    ("RoleName", "role/{}"), ("UserName", "user/{}"), ("PolicyArn", "{}"), ("PolicyName", "policy/{}"),
)  # fmt: skip
TASK_CALLS = ("DescribeTasks", "StopTask")
ECS_ANYWHERE = (
    "DescribeTaskDefinition",
    "DeregisterTaskDefinition",
    "ListTaskDefinitions",
    "ListTaskDefinitionFamilies",
)
SERVICE_CALLS = ("CreateService", "UpdateService", "DeleteService", "DescribeServices", "CreateTaskSet")
TAG_CALLS = ("TagResource", "UntagResource", "ListTagsForResource")


def wanted(service: str, operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    """What a request needs. params: its body, by the API's names."""
    if service in JUDGED:
        yield from JUDGED[service](operation, params, place)
    else:
        yield Wanted(f"{service}:{operation}", ANY_RESOURCE)


def _iam(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    action, context = f"iam:{operation}", {}
    if operation.startswith(("Attach", "Detach")):
        context = {"iam:policyarn": str(params.get("PolicyArn", ""))}
    if operation == "CreateOpenIDConnectProvider":
        host = str(params.get("Url", "")).partition("://")[2]
        yield Wanted(action, place.arn("iam", f"oidc-provider/{host}"))
        return
    for name, template in IAM_NAMES:
        if value := params.get(name):
            resource = template.format(value)
            yield Wanted(action, resource if resource.startswith("arn:") else _with_path(resource, place), context)
            break
    else:
        yield Wanted(action, "*" if operation.startswith(("List", "GetAccount")) else ANY_RESOURCE)
    if operation.startswith("Create") and any(key.startswith("Tags.") for key in params):
        kind = operation.removeprefix("Create")
        of = "instance-profile" if kind == "InstanceProfile" else kind.lower()
        yield Wanted(f"iam:Tag{kind}", _with_path(f"{of}/{params.get(f'{kind}Name')}", place))


def _with_path(resource: str, place: Place) -> str:
    """The ARN of what is there, which may have a path."""
    kind, _, name = resource.partition("/")
    with contextlib.suppress(Exception):
        iam = _moto("iam", place)
        if kind in ("role", "user"):
            return str((iam.get_role(name) if kind == "role" else iam.get_user(name)).arn)
    return place.arn("iam", resource)


def _moto(service: str, place: Place) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]
    return backends[place.account][get_partition(place.region) if service == "iam" else place.region]


def _ecr(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    names = params.get("repositoryNames") or [params.get("repositoryName") or "*"]
    if operation == "GetAuthorizationToken":
        yield Wanted(f"ecr:{operation}", "*")
    elif operation in TAG_CALLS:
        yield Wanted(f"ecr:{operation}", str(params.get("resourceArn", ANY_RESOURCE)))
    else:
        for name in names:
            yield Wanted(f"ecr:{operation}", place.arn("ecr", f"repository/{name}"))
    if operation == "CreateRepository" and params.get("tags"):
        yield Wanted("ecr:TagResource", place.arn("ecr", f"repository/{names[0]}"))


def _ecs(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    action, resource = f"ecs:{operation}", ""
    cluster = str(params.get("cluster") or params.get("clusterName") or "default").rpartition("/")[2]
    context = {"ecs:cluster": place.arn("ecs", f"cluster/{cluster}")}
    if operation in ECS_ANYWHERE:
        yield Wanted(action, "*")
    elif operation == "ListTasks":
        yield Wanted(action, "*", context)
    elif operation in TAG_CALLS:
        yield Wanted(action, str(params.get("resourceArn", ANY_RESOURCE)))
    elif operation == "DescribeClusters":
        for name in params.get("clusters") or ["default"]:
            yield Wanted(action, place.arn("ecs", f"cluster/{str(name).rpartition('/')[2]}"))
    elif operation in TASK_CALLS:
        for task in params.get("tasks") or [params.get("task")]:
            yield Wanted(action, place.arn("ecs", f"task/{cluster}/{str(task).rpartition('/')[2]}"), context)
    elif operation == "RegisterTaskDefinition":
        resource = place.arn("ecs", f"task-definition/{params.get('family')}:*")
        yield Wanted(action, resource)
        yield from _passed([params.get("executionRoleArn"), params.get("taskRoleArn")], "ecs-tasks")
    elif operation in ("RunTask", "StartTask"):
        family = str(params.get("taskDefinition")).rpartition("/")[2]
        yield Wanted(action, place.arn("ecs", f"task-definition/{family}{'' if ':' in family else ':*'}"), context)
        yield from _passed([*_roles_of(family, place), *_overriding(params)], "ecs-tasks")
        resource = place.arn("ecs", f"task/{cluster}/*")
    elif operation in SERVICE_CALLS:
        for service in params.get("services") or [params.get("service") or params.get("serviceName")]:
            resource = place.arn("ecs", f"service/{cluster}/{str(service).rpartition('/')[2]}")
            yield Wanted(action, resource, context)
        family = str(params.get("taskDefinition") or "").rpartition("/")[2]
        yield from _passed(_roles_of(family, place), "ecs-tasks")
    elif operation.endswith(("CapacityProvider", "CapacityProviders")) and operation != "PutClusterCapacityProviders":
        for provider in params.get("capacityProviders") or [
            params.get("capacityProvider") or params.get("name") or "*"
        ]:
            resource = place.arn("ecs", f"capacity-provider/{str(provider).rpartition('/')[2]}")
            yield Wanted(action, resource)
        yield from _handed_on(params.get("managedInstancesProvider") or {}, place)
    elif "Cluster" in operation:
        resource = context["ecs:cluster"]
        yield Wanted(action, resource)
    else:
        yield Wanted(action, ANY_RESOURCE)
    if resource and params.get("tags"):
        yield Wanted("ecs:TagResource", resource, {"ecs:createaction": operation})


def _handed_on(settings: Mapping[str, Any], place: Place) -> Iterator[Wanted]:
    """The roles of a capacity provider: one is handed to ECS, that of the instance profile to EC2."""
    yield from _passed([settings.get("infrastructureRoleArn")], "ecs")
    template = settings.get("instanceLaunchTemplate") or {}
    with contextlib.suppress(Exception):
        name = str(template.get("ec2InstanceProfileArn")).rpartition("/")[2]
        yield from _passed([role.arn for role in _moto("iam", place).get_instance_profile(name).roles], "ec2")


def _overriding(params: Params) -> list[Any]:
    overrides = params.get("overrides")
    overrides = overrides if isinstance(overrides, Mapping) else {}
    return [overrides.get("executionRoleArn"), overrides.get("taskRoleArn")]


def _events(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    rule, bus = params.get("Rule") or params.get("Name"), str(params.get("EventBusName") or "default").split("/")[-1]
    if operation in TAG_CALLS:
        yield Wanted(f"events:{operation}", str(params.get("ResourceARN", ANY_RESOURCE)))
    elif rule and ("Rule" in operation or "Targets" in operation):
        resource = place.arn("events", f"rule/{rule}" if bus == "default" else f"rule/{bus}/{rule}")
        yield Wanted(f"events:{operation}", resource)
    else:
        yield Wanted(f"events:{operation}", ANY_RESOURCE)
    yield from _passed([target.get("RoleArn") for target in params.get("Targets") or []], "events")
    yield from _passed([params.get("RoleArn")], "events")


def _roles_of(family: str, place: Place) -> list[Any]:
    with contextlib.suppress(Exception):
        definition = _moto("ecs", place).describe_task_definition(family)
        return [definition.execution_role_arn, definition.task_role_arn]
    return []


def _passed(roles: list[Any], service: str) -> Iterator[Wanted]:
    for role in sorted({str(arn) for arn in roles if arn}):
        yield Wanted("iam:PassRole", role, {"iam:passedtoservice": f"{service}.amazonaws.com"})


def _logs(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    action, group = f"logs:{operation}", params.get("logGroupName") or ""
    identifiers = [params.get("logGroupIdentifier"), *(params.get("logGroupIdentifiers") or ())]
    group_names = [
        str(identifier).rpartition(":log-group:")[2].removesuffix(":*") for identifier in identifiers if identifier
    ]
    for group_name in [*group_names, *(params.get("logGroupNames") or ())]:
        yield Wanted(
            action, place.arn("logs", f"log-group:{group_name}:log-stream:{params.get('logStreamName') or ''}")
        )
    if operation == "DescribeLogGroups":
        yield Wanted(action, place.arn("logs", "log-group::log-stream:"))
    elif operation in TAG_CALLS:
        yield Wanted(action, str(params.get("resourceArn", ANY_RESOURCE)))
    elif group:
        yield Wanted(action, place.arn("logs", f"log-group:{group}:log-stream:{params.get('logStreamName') or ''}"))
    else:
        yield Wanted(action, ANY_RESOURCE)
    if operation == "CreateLogGroup" and params.get("tags"):
        yield Wanted("logs:TagResource", place.arn("logs", f"log-group:{group}"))


def _ssm(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    if operation == "DescribeParameters":
        yield Wanted(f"ssm:{operation}", "*")
        return
    keys = [key for key in ("Names", "Name", "Path", "ResourceId") if key in params]
    for key in keys or ["ResourceArn"]:
        value = params.get(key)
        for name in value if key == "Names" and isinstance(value, list) else [value]:
            yield Wanted(f"ssm:{operation}", _parameter(str(name), place) if keys else str(value or ANY_RESOURCE))
        if params.get("WithDecryption") and operation.startswith("GetParameter"):
            # The key that AWS keeps for SSM may be used through SSM by all of the account.
            yield Wanted("kms:Decrypt", ANY_RESOURCE, {"kms:viaservice": f"ssm.{place.region}.amazonaws.com"}, True)
            for name in value if isinstance(value, list) else [value]:
                key_id = kms.of_parameter(*place, _parameter_name(str(name)))
                yield from (Wanted(*use) for use in kms.uses(key_id, "ssm", *place, kms.DECRYPT))


def _parameter_name(text: str) -> str:
    """The name in an ARN, or with a version or a label behind it."""
    name = "/" + text.partition(":parameter/")[2] if text.startswith("arn:") else text
    return name.partition(":")[0]


def _parameter(name: str, place: Place) -> str:
    """A parameter's ARN, without a version or label: a name has no colon."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return place.arn("ssm", f"parameter/{name.partition(':')[0].lstrip('/')}")


def _secretsmanager(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    action = f"secretsmanager:{operation}"
    if operation == "BatchGetSecretValue":
        yield Wanted(action, "*")
        action = "secretsmanager:GetSecretValue"
        names = list(params.get("SecretIdList") or ()) if not params.get("Filters") else ["*"]
    elif operation in ("ListSecrets", "GetRandomPassword"):
        yield Wanted(action, "*")
        return
    else:
        names = [params.get("SecretId") or params.get("Name") or "*"]
    for name in names:
        arn = str(name) if str(name).startswith("arn:") else place.arn("secretsmanager", f"secret:{name}-??????")
        with contextlib.suppress(Exception):
            arn = str(_moto("secretsmanager", place).secrets[str(name)].arn)
        yield Wanted(action, arn)
        if action.endswith(":GetSecretValue"):
            key_id = kms.of_secret(*place, str(name))
            yield from (Wanted(*use) for use in kms.uses(key_id, "secretsmanager", *place, kms.DECRYPT))


def _sqs(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    name = params.get("QueueUrl") or params.get("QueueName")
    arn = place.arn("sqs", str(name).rpartition("/")[2])
    yield Wanted(f"sqs:{operation}", arn if name else str(params.get("SourceArn") or ANY_RESOURCE))


def _sns(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    arn = params.get("TopicArn") or params.get("TargetArn") or params.get("ResourceArn")
    topic = place.arn("sns", str(params.get("Name"))) if operation == "CreateTopic" else ANY_RESOURCE
    yield Wanted(f"sns:{operation}", str(arn or topic))


def _ec2(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    action = f"ec2:{operation}"
    if operation.startswith("Describe"):
        yield Wanted(action, "*")
        return
    if operation == "CreateSecurityGroup":
        tags = _tags(params, "TagSpecification.1.Tag.")
        group = place.arn("ec2", "security-group/new")
        yield Wanted(action, group, {f"aws:requesttag/{key}".lower(): value for key, value in tags.items()})
        yield Wanted(action, place.arn("ec2", f"vpc/{params.get('VpcId', '*')}"))
        if tags:
            yield Wanted("ec2:CreateTags", group, {"ec2:createaction": operation})
        return
    groups = [str(v) for k, v in params.items() if k == "GroupId" or k.startswith("ResourceId.")]
    if not groups or not all(group_id.startswith("sg-") for group_id in groups):
        yield Wanted(action, ANY_RESOURCE)
    for group_id in groups:
        yield Wanted(action, place.arn("ec2", f"security-group/{group_id}"), _group_tags(group_id, place))


def _tags(params: Params, prefix: str) -> dict[str, str]:
    matching = {k.removeprefix(prefix): str(v) for k, v in params.items() if k.startswith(prefix)}
    return {v: matching.get(k.replace("Key", "Value"), "") for k, v in matching.items() if k.endswith("Key")}


def _group_tags(group: str, place: Place) -> dict[str, str]:
    with contextlib.suppress(Exception):
        tags = _moto("ec2", place).describe_tags({"resource-id": [group]})
        return {f"aws:resourcetag/{tag['key']}".lower(): str(tag["value"]) for tag in tags}
    return {}


def _scheduler(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    group, name = params.get("GroupName") or "default", params.get("Name") or "*"
    yield Wanted(f"scheduler:{operation}", place.arn("scheduler", f"schedule/{group}/{name}"))
    if role := (params.get("Target") or {}).get("RoleArn"):
        yield from _passed([role], "scheduler")


def _lambda(operation: str, params: Params, place: Place) -> Iterator[Wanted]:
    action = f"lambda:{operation}"
    if operation in ("ListFunctions", "ListEventSourceMappings"):
        yield Wanted(action, "*")
        return
    if uuid := params.get("UUID"):
        mapping = _moto("lambda", place).get_event_source_mapping(str(uuid))
        context = {"lambda:functionarn": str(mapping.function_arn)} if mapping is not None else {}
        yield Wanted(action, place.arn("lambda", f"event-source-mapping:{uuid}"), context)
        return
    arn = str(params.get("Resource") or params.get("FunctionName"))
    arn = arn if arn.startswith("arn:") else place.arn("lambda", f"function:{arn.rpartition(':function:')[2]}")
    yield Wanted(action, arn)
    if operation == "CreateFunction" and params.get("Tags"):
        yield Wanted("lambda:TagResource", arn)
    yield from _passed([params.get("Role")], "lambda")


JUDGED: Mapping[str, Callable[[str, Params, Place], Iterator[Wanted]]] = {
    "iam": _iam, "ecr": _ecr, "ecs": _ecs, "logs": _logs, "ssm": _ssm, "ec2": _ec2, "scheduler": _scheduler,
    "lambda": _lambda, "events": _events, "secretsmanager": _secretsmanager, "sqs": _sqs, "sns": _sns,
}  # fmt: skip
"""Services whose requests are judged by the resources that they name; others by the action alone."""
