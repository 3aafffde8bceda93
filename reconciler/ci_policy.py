"""What the CI's role or user may do: the guide's permissions, and those that `apply` needs on every push.

That is reading everything of this deploy, and writing what changes with code and data: the image, objects, task
definition revisions, runs, the record and the lock. Making roles, buckets and the like stays with a person, since who
may write IAM policies may do anything: see docs/decisions/ci-permissions.md. Each resource is named; `*` stands only
where the API has no resource to name.
"""

from __future__ import annotations

from typing import Any

from reconciler.resource_names import Names

READS = ("BatchGet", "Describe", "Get", "List")  # how actions that change nothing begin


def _allow(sid: str, actions: list[str], resources: list[str] | str, **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources, **more}


def ci_statements(names: Names) -> list[dict[str, Any]]:
    """The statements of the CI policy."""
    deploy = names.deploy
    cluster, family = str(deploy.cluster.name), str(deploy.task.family)
    roles = [names.iam(f"role/{deploy.task.execution_role.name}"), names.iam(f"role/{deploy.task.role.name}")]
    group = names.arn("logs", f"log-group:{deploy.logs.group}")
    revisions, tasks = names.arn("ecs", f"task-definition/{family}:*"), names.arn("ecs", f"task/{cluster}/*")
    in_cluster = {"ArnEquals": {"ecs:cluster": names.arn("ecs", f"cluster/{cluster}")}}
    return [
        _allow(
            "Registry",
            [
                "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
                "ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:DescribeRepositories",
                "ecr:GetDownloadUrlForLayer", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy",
                "ecr:InitiateLayerUpload", "ecr:ListTagsForResource", "ecr:PutImage", "ecr:UploadLayerPart",
            ],
            names.arn("ecr", f"repository/{names.repository}"),
        ),
        # These APIs name no resource.
        _allow(
            "Unscoped",
            [
                "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
                "ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "logs:DescribeLogGroups",
                "ssm:DescribeParameters", "sts:GetCallerIdentity",
            ],
            "*",
        ),
        _allow("Revisions", ["ecs:RegisterTaskDefinition", "ecs:TagResource"], revisions),
        _allow("Cluster", ["ecs:DescribeClusters"], names.arn("ecs", f"cluster/{cluster}")),
        _allow("Launch", ["ecs:RunTask"], revisions, Condition=in_cluster),
        _allow("Watch", ["ecs:DescribeTasks", "ecs:StopTask", "ecs:TagResource"], tasks),
        _allow("Find", ["ecs:ListTasks"], "*", Condition=in_cluster),
        _allow(
            "PassRole", ["iam:PassRole"], roles,
            Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        _allow("Log", ["logs:GetLogEvents", "logs:ListTagsForResource"], [group, f"{group}:*"]),
        _allow(
            "Bucket",
            [
                "s3:GetBucketAcl", "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetBucketTagging",
                "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
                "s3:ListBucket",
            ],
            names.s3(),
        ),
        _allow("Objects", ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], names.s3("*")),
        _allow(
            "Identities",
            [
                "iam:GetOpenIDConnectProvider", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole",
                "iam:GetLoginProfile", "iam:GetRolePolicy", "iam:GetUser", "iam:GetUserPolicy", "iam:ListAccessKeys",
                "iam:ListAttachedRolePolicies", "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser",
                "iam:ListRolePolicies",
                "iam:ListUserPolicies",
            ],
            _identities(names, roles),
        ),
        _allow(
            "Record",
            [
                "ssm:DeleteParameter", "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath",
                "ssm:PutParameter",
            ],
            [names.arn("ssm", f"parameter/reconciler/{deploy.name}/{part}") for part in ("lock*", "record*")],
        ),
        *_deadline(names),
        *_sections(names),
    ]  # fmt: skip


def plan_statements(names: Names) -> list[dict[str, Any]]:
    """What `plan` needs in a pull request: the reads of the above, and of objects only what is uploaded."""
    found = []
    for one in ci_statements(names):
        if actions := [action for action in one["Action"] if action.partition(":")[2].startswith(READS)]:
            found.append({**one, "Action": actions})
        if one["Sid"] == "Objects":
            found[-1]["Resource"] = [names.s3(str(file.key)) for file in names.deploy.data.files] or names.s3("data/*")
    return found


def _sections(names: Names) -> list[dict[str, Any]]:
    """Reading the parameters of the file, looking for its capacity providers, and deploying to its service."""
    deploy, found = names.deploy, []
    if parameters := [names.arn("ssm", f"parameter{one.name}") for one in deploy.parameters.values()]:
        found.append(_allow("Parameters", ["ssm:GetParameters", "ssm:ListTagsForResource"], parameters))
    if own := [names.arn("ecs", f"capacity-provider/{name}") for name in deploy.own_providers]:
        found.append(_allow("Capacity", ["ecs:DescribeCapacityProviders"], own))
    if deploy.service:
        service = names.arn("ecs", f"service/{deploy.cluster.name}/{deploy.service.name}")
        found.append(_allow("Service", ["ecs:DescribeServices", "ecs:UpdateService"], service))
    return found


def _deadline(names: Names) -> list[dict[str, Any]]:
    """Schedules that stop a task when `run.max_duration` is over."""
    if names.deploy.run.max_duration is None:
        return []
    role, prefix = names.iam(f"role/{names.stop_role}"), f"{names.deploy.name[:30]}-"
    return [
        _allow(
            "Deadline",
            ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"],
            names.arn("scheduler", f"schedule/default/{prefix}*"),
        ),
        _allow(
            "PassStopRole", ["iam:PassRole"], [role],
            Condition={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        ),
    ]  # fmt: skip


def _identities(names: Names, roles: list[str]) -> list[str]:
    deploy, ci = names.deploy, names.deploy.ci
    found = [*roles, names.iam(f"policy/{deploy.task.role.policy_name}")]
    if deploy.run.max_duration is not None:
        found.append(names.iam(f"role/{names.stop_role}"))
    if ci is not None:
        found.append(names.iam(f"policy/{ci.policy_name}"))
        if ci.github:
            found.append(names.iam(f"role/{ci.github.role}"))
            if ci.github.pull_requests:
                found += [names.iam(f"{kind}/{ci.github.plan_role}") for kind in ("role", "policy")]
            found.append(names.iam("oidc-provider/token.actions.githubusercontent.com"))
        if ci.user:
            found.append(names.iam(f"user/{ci.user.name}"))
    return found
