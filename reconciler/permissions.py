"""The permissions that a plan needs, asked for all at once before the first write.

IAM's own simulator is asked about whoever runs this, when that is allowed and it is a user or a role. What it can't
tell for want of a condition's value counts as allowed: a check that stops what would have worked is worse than none.
A permission that is missing after all shows when it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.aws import Aws
from reconciler.errors import AwsError, ReconcilerError
from reconciler.plan import Action, Plan, Step
from reconciler.resource_names import RUNS, Names
from reconciler.spec import Address

PRINCIPAL = re.compile(r"^arn:([\w-]+):(iam|sts)::(\d{12}):(user|role|assumed-role)/(.+)$")
PASSED_TO = {"ContextKeyName": "iam:PassedToService", "ContextKeyValues": ["ecs-tasks.amazonaws.com"],
             "ContextKeyType": "string"}  # fmt: skip


@dataclass(frozen=True)
class Needs:
    """IAM actions of one kind. set: what a field needs when made or changed; fields: what only its change needs."""

    create: tuple[str, ...]
    delete: tuple[str, ...]
    set: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


UPLOAD = ("s3:PutObject", "s3:AbortMultipartUpload")
PUSH = (
    "ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload",
    "ecr:BatchCheckLayerAvailability", "ecr:BatchDeleteImage",
)  # fmt: skip
NEEDS: dict[str, Needs] = {
    "oidc-provider": Needs(
        ("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"), ("iam:DeleteOpenIDConnectProvider",),
        fields={"audiences": ("iam:AddClientIDToOpenIDConnectProvider",),
                "tags": ("iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider")},
    ),
    "policy": Needs(
        ("iam:CreatePolicy", "iam:TagPolicy"), ("iam:DeletePolicy", "iam:DeletePolicyVersion"),
        fields={"document": ("iam:CreatePolicyVersion", "iam:DeletePolicyVersion"),
                "tags": ("iam:TagPolicy", "iam:UntagPolicy")},
    ),
    "role": Needs(
        ("iam:CreateRole", "iam:TagRole"), ("iam:DeleteRole", "iam:DetachRolePolicy", "iam:DeleteRolePolicy"),
        set={"managed_policies": ("iam:AttachRolePolicy",), "inline_policies": ("iam:PutRolePolicy",)},
        fields={"managed_policies": ("iam:DetachRolePolicy",), "inline_policies": ("iam:DeleteRolePolicy",),
                "trust": ("iam:UpdateAssumeRolePolicy",), "description": ("iam:UpdateRole",),
                "max_session_duration": ("iam:UpdateRole",),
                "boundary": ("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"),
                "tags": ("iam:TagRole", "iam:UntagRole")},
    ),
    "user": Needs(
        ("iam:CreateUser", "iam:TagUser"), ("iam:DeleteUser", "iam:DetachUserPolicy", "iam:DeleteUserPolicy",
        "iam:DeleteAccessKey"),
        set={"managed_policies": ("iam:AttachUserPolicy",), "inline_policies": ("iam:PutUserPolicy",),
             "groups": ("iam:AddUserToGroup",), "access_keys": ("iam:CreateAccessKey",)},
        fields={"managed_policies": ("iam:DetachUserPolicy",), "inline_policies": ("iam:DeleteUserPolicy",),
                "groups": ("iam:RemoveUserFromGroup",), "access_keys": ("iam:DeleteAccessKey",),
                "console_password": ("iam:DeleteLoginProfile",), "tags": ("iam:TagUser", "iam:UntagUser")},
    ),
    "bucket": Needs(
        ("s3:CreateBucket",),
        ("s3:DeleteBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
        set={"tags": ("s3:PutBucketTagging",), "public_access_block": ("s3:PutBucketPublicAccessBlock",),
             "policy": ("s3:PutBucketPolicy",), "versioning": ("s3:PutBucketVersioning",),
             "encryption": ("s3:PutEncryptionConfiguration",), "kms_key": ("s3:PutEncryptionConfiguration",),
             "lifecycle": ("s3:PutLifecycleConfiguration",)},
        fields={"policy": ("s3:DeleteBucketPolicy",), "grants": ("s3:PutBucketAcl",)},
    ),
    "object": Needs(UPLOAD, ("s3:DeleteObject", "s3:DeleteObjectVersion"), fields={"sha256": UPLOAD, "tags": UPLOAD}),
    "repository": Needs(
        ("ecr:CreateRepository", "ecr:TagResource"), ("ecr:DeleteRepository", "ecr:BatchDeleteImage"),
        set={"policy": ("ecr:SetRepositoryPolicy",), "keep_images": ("ecr:PutLifecyclePolicy",)},
        fields={"policy": ("ecr:DeleteRepositoryPolicy",), "keep_images": ("ecr:DeleteLifecyclePolicy",),
                "other_lifecycle": ("ecr:PutLifecyclePolicy", "ecr:DeleteLifecyclePolicy"),
                "scan_on_push": ("ecr:PutImageScanningConfiguration",),
                "immutable_tags": ("ecr:PutImageTagMutability",), "tags": ("ecr:TagResource", "ecr:UntagResource")},
    ),
    "image": Needs(PUSH, ("ecr:BatchDeleteImage",), fields={"inputs": PUSH, "tags_wanted": ("ecr:PutImage",)}),
    "log-group": Needs(
        ("logs:CreateLogGroup", "logs:TagResource"), ("logs:DeleteLogGroup",),
        set={"retention_in_days": ("logs:PutRetentionPolicy",)},
        fields={"retention_in_days": ("logs:DeleteRetentionPolicy",),
                "tags": ("logs:TagResource", "logs:UntagResource")},
    ),
    "security-group": Needs(
        ("ec2:CreateSecurityGroup", "ec2:CreateTags"), ("ec2:DeleteSecurityGroup",),
        set={"ingress": ("ec2:AuthorizeSecurityGroupIngress",)},
        fields={"ingress": ("ec2:RevokeSecurityGroupIngress",),
                "egress": ("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress"),
                "tags": ("ec2:CreateTags", "ec2:DeleteTags")},
    ),
    "parameter": Needs(
        ("ssm:PutParameter", "ssm:AddTagsToResource"), ("ssm:DeleteParameter",),
        fields={"tags": ("ssm:AddTagsToResource", "ssm:RemoveTagsFromResource")},
    ),
    "cluster": Needs(
        ("ecs:CreateCluster", "ecs:TagResource"), ("ecs:DeleteCluster",),
        fields={"capacity_providers": ("ecs:PutClusterCapacityProviders",),
                "default_strategy": ("ecs:PutClusterCapacityProviders",), "container_insights": ("ecs:UpdateCluster",),
                "tags": ("ecs:TagResource", "ecs:UntagResource")},
    ),
    "service": Needs(
        ("ecs:CreateService", "ecs:TagResource"), ("ecs:UpdateService", "ecs:DeleteService"),
        fields={"": ("ecs:UpdateService",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
    ),
    "task-definition": Needs(
        ("ecs:RegisterTaskDefinition", "ecs:TagResource"), ("ecs:DeregisterTaskDefinition",),
        fields={"": ("ecs:RegisterTaskDefinition",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
    ),
    "queue": Needs(
        ("sqs:CreateQueue", "sqs:TagQueue"), ("sqs:DeleteQueue",),
        fields={"tags": ("sqs:TagQueue", "sqs:UntagQueue"), "": ("sqs:SetQueueAttributes",)},
    ),
    "schedule": Needs(
        ("scheduler:CreateSchedule",), ("scheduler:DeleteSchedule",), fields={"": ("scheduler:UpdateSchedule",)}
    ),
    "topic": Needs(
        ("sns:CreateTopic", "sns:TagResource"), ("sns:DeleteTopic",), set={"subscriptions": ("sns:Subscribe",)},
        fields={"subscriptions": ("sns:Unsubscribe",), "tags": ("sns:TagResource", "sns:UntagResource"),
                "": ("sns:SetTopicAttributes",)},
    ),
    "rule": Needs(
        ("events:PutRule", "events:TagResource"), ("events:DeleteRule", "events:RemoveTargets"),
        set={"targets": ("events:PutTargets",)},
        fields={"targets": ("events:RemoveTargets",), "tags": ("events:TagResource", "events:UntagResource"),
                "": ("events:PutRule",)},
    ),
}  # fmt: skip


class MissingPermissions(ReconcilerError):
    """Permissions that the plan needs are missing; nothing was changed."""


def needed(step: Step) -> set[str]:
    """The IAM actions of a step. Those of a kind that isn't in the table are found out when they are used."""
    needs = NEEDS.get(step.address.kind)
    if needs is None or not step.does:
        return set()
    touched = {change.path.partition(".")[0].partition("[")[0] for change in step.changes}
    found: set[str] = set()
    if step.action in (Action.DELETE, Action.REPLACE):
        found |= set(needs.delete)
    if step.action in (Action.CREATE, Action.REPLACE):
        found |= set(needs.create)
    if step.action is not Action.DELETE:
        found |= {action for name in touched for action in needs.set.get(name, ())}
    if step.action in (Action.UPDATE, Action.ADOPT):
        rest = needs.fields.get("", ())
        found |= {action for name in touched for action in needs.fields.get(name, rest)}
    return found


def resource(address: Address, aws: Aws) -> str:
    """The ARN by which policies name a resource; `*` in it stands for what only AWS knows."""
    kind, name = address
    if kind in ("bucket", "object"):
        return f"arn:{aws.partition}:s3:::{name}"
    paths = {
        "oidc-provider": ("iam", f"oidc-provider/{name}"), "policy": ("iam", f"policy/{name}"),
        "role": ("iam", f"role/{name}"), "user": ("iam", f"user/{name}"),
        "repository": ("ecr", f"repository/{name}"), "image": ("ecr", f"repository/{name}"),
        "log-group": ("logs", f"log-group:{name}:*"), "security-group": ("ec2", "security-group/*"),
        "parameter": ("ssm", f"parameter{name}"),
        "service": ("ecs", f"service/{name}"),
        "cluster": ("ecs", f"cluster/{name}"), "task-definition": ("ecs", f"task-definition/{name}:*"),
        "queue": ("sqs", name), "topic": ("sns", name), "rule": ("events", f"rule/{name}"),
        "schedule": ("scheduler", f"schedule/default/{name}"),
    }  # fmt: skip
    return aws.arn(*paths[kind])


def of_plan(plan: Plan, aws: Aws) -> dict[str, set[str]]:
    """The actions that a plan needs, by ARN: those of its steps, and of the lock and the record."""
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        if actions := needed(step):
            found.setdefault(resource(step.address, aws), set()).update(actions)
    if found:
        parameters = aws.arn("ssm", f"parameter/reconciler/{plan.deploy}/*")
        found[parameters] = {"ssm:PutParameter", "ssm:DeleteParameter"}
    for step in plan.steps:
        if step.does and step.want is not None and step.address.kind == "task-definition":
            roles = [getattr(step.want, name, "") for name in ("execution_role", "task_role")]
            for role in filter(None, roles):
                found.setdefault(str(role), set()).add("iam:PassRole")
    return found


def of_launch(names: Names) -> dict[str, set[str]]:
    """The actions that a launch needs, by ARN."""
    task = names.deploy.task
    found = {
        names.arn("ecs", f"task-definition/{task.family}:*"): {"ecs:RunTask"},
        names.s3(f"{RUNS}/*"): {"s3:PutObject"},
    }
    return found | {names.iam(f"role/{role.name}"): {"iam:PassRole"} for role in (task.role, task.execution_role)}


def principal(caller: str) -> str | None:
    """The user or role behind an ARN of GetCallerIdentity; None for what IAM can't simulate, such as the root user."""
    match = PRINCIPAL.match(caller)
    if match is None:
        return None
    partition, service, account, kind, name = match.groups()
    if kind == "assumed-role":
        return f"arn:{partition}:iam::{account}:role/{name.partition('/')[0]}"
    return caller if service == "iam" else None


def check(aws: Aws, plan: Plan, launch: Names | None = None) -> None:
    """Raises MissingPermissions with the statements to add, when IAM says that some are missing.

    launch: the names of the deploy whose task is to be launched too.
    """
    wanted = of_plan(plan, aws)
    for arn, actions in of_launch(launch).items() if launch else ():
        wanted.setdefault(arn, set()).update(actions)
    who = principal(str(aws.call("sts", "GetCallerIdentity")["Arn"])) if wanted else None
    if who is None:
        return
    by_actions: dict[frozenset[str], list[str]] = {}
    for arn, actions in wanted.items():
        by_actions.setdefault(frozenset(actions), []).append(arn)
    try:
        found = aws.each(lambda one: _denied(aws, who, *one), list(by_actions.items()))
    except AwsError:
        return  # who runs this may not ask
    missing: dict[str, set[str]] = {}
    for arn, action in (pair for pairs in found for pair in pairs):
        missing.setdefault(arn, set()).add(action)
    if missing:
        count = sum(map(len, missing.values()))
        statement = json.dumps({"Version": "2012-10-17", "Statement": statements(missing)}, indent=2)
        raise MissingPermissions(
            f"{who} lacks {count} permissions that this plan needs; nothing was changed",
            hint=f"add this policy to it, and run the command again:\n{statement}",
        )


def _denied(aws: Aws, who: str, actions: Iterable[str], arns: list[str]) -> list[tuple[str, str]]:
    """(ARN, action) of what is denied for sure."""
    results = aws.pages(
        "iam", "SimulatePrincipalPolicy", "EvaluationResults", PolicySourceArn=who, ActionNames=sorted(actions),
        ResourceArns=sorted(arns), ContextEntries=[PASSED_TO],
    )  # fmt: skip
    found = []
    for one in results:
        each = one.get("ResourceSpecificResults") or [
            {
                "EvalResourceName": one.get("EvalResourceName", "*"),
                "EvalResourceDecision": one["EvalDecision"],
                "MissingContextValues": one.get("MissingContextValues"),
            }
        ]
        for result in each:
            denied = result["EvalResourceDecision"] != "allowed" and not result.get("MissingContextValues")
            arn = str(result["EvalResourceName"])
            found += [(arn if arn in arns else arns[0], str(one["EvalActionName"]))] if denied else []
    return found


def statements(missing: Mapping[str, Iterable[str]]) -> list[dict[str, object]]:
    """Policy statements that allow these: one for all resources with the same actions."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for arn, actions in sorted(missing.items()):
        grouped.setdefault(tuple(sorted(actions)), []).append(arn)
    return [{"Effect": "Allow", "Action": list(actions), "Resource": arns} for actions, arns in grouped.items()]
