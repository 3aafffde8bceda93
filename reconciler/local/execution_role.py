"""What ECS does with the execution role before a task starts, held to that role's policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.utilities.utils import get_partition

from reconciler.local import kms
from reconciler.local.identities import Identity, execution_role, refusal
from reconciler.local.images import ECR_IMAGE
from reconciler.local.runner import StartError
from reconciler.local.task import Task

REGISTRY_AUTH = "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve"
ONCE = "service call has been retried 1 time(s): AccessDeniedException:"


def check_execution_role(task: Task, definition: Mapping[str, Any], group_exists: bool) -> None:
    """Raises StartError where the role may not read the secrets, pull the image or write the log of a container."""
    role_arn = execution_role(task)
    if role_arn is None:
        return  # RegisterTaskDefinition has seen to it that none is needed
    identity = Identity(role_arn.split(":")[4], role_arn, task.id)
    for secret in definition.get("secrets") or []:
        _check_secret(identity, task, secret["valueFrom"])
    _check_image(identity, str(definition["image"]))
    _check_log(identity, task, definition, group_exists)


def _check_secret(identity: Identity, task: Task, source: str) -> None:
    if ":secretsmanager:" in source:
        resource = kms.secret_arn(":".join(source.split(":")[:7]))
        message = refusal(identity, "secretsmanager:GetSecretValue", resource)
        region, account = resource.split(":")[3:5]
        key_id = kms.of_secret(account, region, resource)
        message = message or _no_key(identity, key_id, "secretsmanager", resource)
        if message:
            raise StartError("ResourceInitializationError", f"{REGISTRY_AUTH} secret from asm: {ONCE} {message}")
        return
    launch = task.launch
    name = source.lstrip("/")
    prefix = f"arn:{get_partition(launch.region)}:ssm:{launch.region}:{launch.account_id}"
    arn = source if source.startswith("arn:") else f"{prefix}:parameter/{name}"
    message = refusal(identity, "ssm:GetParameters", arn)
    region, account = arn.split(":")[3:5]
    key_id = kms.of_parameter(account, region, "/" + arn.partition(":parameter/")[2])
    message = message or _no_key(identity, key_id, "ssm", arn)
    if message:
        raise StartError("ResourceInitializationError", f"{REGISTRY_AUTH} secrets from ssm: {ONCE} {message}")


def _no_key(identity: Identity, key_id: str | None, service: str, arn: str) -> str | None:
    """Why the role may not decrypt with the key of what has this ARN."""
    region, account = arn.split(":")[3:5]
    uses = kms.uses(key_id, service, account, region, kms.DECRYPT)
    return next((why for use in uses if (why := refusal(identity, *use))), None)


def _check_image(identity: Identity, image: str) -> None:
    match = ECR_IMAGE.fullmatch(image)
    if match is None:
        return
    message = refusal(identity, "ecr:GetAuthorizationToken", "*")
    if message:
        raise StartError("ResourceInitializationError", f"{REGISTRY_AUTH} ecr registry auth: {ONCE} {message}")
    prefix = f"arn:{get_partition(match['region'])}:ecr:{match['region']}:{match['account']}"
    arn = f"{prefix}:repository/{match['repository']}"
    for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
        if refusal(identity, action, arn):
            raise StartError(
                "CannotPullContainerError",
                f"pull image manifest has been retried 1 time(s): failed to resolve ref {image}: pulling from host "
                f"{image.split('/')[0]} failed with status code [manifests {match['tag'] or match['digest']}]: "
                "403 Forbidden",
            )


def _check_log(identity: Identity, task: Task, definition: Mapping[str, Any], group_exists: bool) -> None:
    configuration = definition.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return
    options = configuration.get("options") or {}
    launch = task.launch
    region = options.get("awslogs-region") or launch.region
    prefix = f"arn:{get_partition(region)}:logs:{region}:{launch.account_id}"
    group = f"{prefix}:log-group:{options.get('awslogs-group')}"
    stream = f"{group}:log-stream:{options.get('awslogs-stream-prefix')}/{definition['name']}/{task.id}"
    creates = str(options.get("awslogs-create-group", "")).lower() == "true" and not group_exists
    for applies, action, resource in (
        (creates, "CreateLogGroup", f"{group}:*"),
        (True, "CreateLogStream", stream),
    ):
        message = refusal(identity, f"logs:{action}", resource) if applies else None
        if message:
            noun = "log group" if action == "CreateLogGroup" else "log stream"
            raise StartError(
                "ResourceInitializationError",
                "failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch "
                f"{noun}: AccessDeniedException: {message} : exit status 1",
            )
