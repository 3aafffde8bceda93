"""What is asked of AWS: the IAM actions of each kind of resource, declared once.

Everything that has to know it reads this table: the check before the first write (`preflight`), the policies that
`permissions` prints and the CI's policy (`policies`), and the test that records every call the suite makes and fails
for one that isn't declared here and for a declaration that nothing uses (tests/permissions). What is asked besides the
kinds is in `parts`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.core.spec import Address, Changes, top

ANYWHERE = "*"


@dataclass(frozen=True)
class Needs:
    """IAM actions of one kind. set: what a field needs when made or changed; fields: what only its change needs.

    on: the resources that they are on, as `service:resource` with {name}, {deploy} and, for an object, {bucket};
    elsewhere: of those actions that are on others. An action of ONLY_ANYWHERE needs neither.
    """

    create: tuple[str, ...]
    delete: tuple[str, ...]
    set: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def changing(self) -> frozenset[str]:
        """All that a change of any field may need."""
        return frozenset(a for part in (self.set, self.fields) for actions in part.values() for a in actions)


# What AWS allows on `*` only: it looks at no single resource there (Service Authorization Reference).
ONLY_ANYWHERE = frozenset({
    "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs", "ecr:GetAuthorizationToken", "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitions", "logs:DescribeLogGroups", "sns:Unsubscribe", "ssm:DescribeParameters",
})  # fmt: skip
UPLOAD = ("s3:PutObject", "s3:AbortMultipartUpload")
# The registry asks for these when an engine pushes to it and pulls layers to build on.
REGISTRY = (
    "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
)  # fmt: skip
PUSH = ("ecr:PutImage", "ecr:BatchDeleteImage", "ecr:DescribeRepositories", "ecr:GetAuthorizationToken", *REGISTRY)
KEY_PARAMETER = "ssm:parameter/reconciler/{deploy}/users/{name}/access-key"
NEEDS: dict[str, Needs] = {
    "oidc-provider": Needs(
        ("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"), ("iam:DeleteOpenIDConnectProvider",),
        fields={"audiences": ("iam:AddClientIDToOpenIDConnectProvider",),
                "tags": ("iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider")},
        read=("iam:GetOpenIDConnectProvider",), on=("iam:oidc-provider/{name}",),
    ),
    "policy": Needs(
        ("iam:CreatePolicy", "iam:TagPolicy"),
        ("iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:ListPolicyVersions", "iam:ListEntitiesForPolicy",
         "iam:DetachRolePolicy", "iam:DetachUserPolicy", "iam:DetachGroupPolicy"),
        fields={"document": ("iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:ListPolicyVersions"),
                "tags": ("iam:TagPolicy", "iam:UntagPolicy")},
        read=("iam:GetPolicy", "iam:GetPolicyVersion"), on=("iam:policy/{name}",),
        elsewhere={"iam:DetachRolePolicy": ("iam:role/*",), "iam:DetachUserPolicy": ("iam:user/*",),
                   "iam:DetachGroupPolicy": ("iam:group/*",)},
    ),
    "role": Needs(
        ("iam:CreateRole", "iam:TagRole"),
        ("iam:DeleteRole", "iam:DetachRolePolicy", "iam:DeleteRolePolicy", "iam:ListInstanceProfilesForRole",
         "iam:RemoveRoleFromInstanceProfile"),
        set={"managed_policies": ("iam:AttachRolePolicy",), "inline_policies": ("iam:PutRolePolicy",),
             "boundary": ("iam:PutRolePermissionsBoundary",)},
        fields={"managed_policies": ("iam:DetachRolePolicy",), "inline_policies": ("iam:DeleteRolePolicy",),
                "trust": ("iam:UpdateAssumeRolePolicy",), "description": ("iam:UpdateRole",),
                "max_session_duration": ("iam:UpdateRole",), "boundary": ("iam:DeleteRolePermissionsBoundary",),
                "tags": ("iam:TagRole", "iam:UntagRole")},
        read=("iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"),
        on=("iam:role/{name}",),
        elsewhere={"iam:RemoveRoleFromInstanceProfile": ("iam:instance-profile/*",)},
    ),
    "user": Needs(
        ("iam:CreateUser", "iam:TagUser"),
        ("iam:DeleteUser", "iam:DetachUserPolicy", "iam:DeleteUserPolicy", "iam:DeleteAccessKey",
         "iam:DeleteLoginProfile", "iam:RemoveUserFromGroup", "ssm:DeleteParameter"),
        set={"managed_policies": ("iam:AttachUserPolicy",), "inline_policies": ("iam:PutUserPolicy",),
             "groups": ("iam:AddUserToGroup",), "access_keys": ("iam:CreateAccessKey", "ssm:PutParameter")},
        fields={"managed_policies": ("iam:DetachUserPolicy",), "inline_policies": ("iam:DeleteUserPolicy",),
                "groups": ("iam:RemoveUserFromGroup",), "access_keys": ("iam:DeleteAccessKey", "ssm:DeleteParameter"),
                "console_password": ("iam:DeleteLoginProfile",), "tags": ("iam:TagUser", "iam:UntagUser")},
        read=("iam:GetUser", "iam:GetLoginProfile", "iam:GetUserPolicy", "iam:ListAccessKeys",
              "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:ListUserPolicies",
              "ssm:DescribeParameters"),
        on=("iam:user/{name}",),
        elsewhere={"iam:AddUserToGroup": ("iam:group/*",), "iam:RemoveUserFromGroup": ("iam:group/*",),
                   "ssm:PutParameter": (KEY_PARAMETER,), "ssm:DeleteParameter": (KEY_PARAMETER,)},
    ),
    "bucket": Needs(
        ("s3:CreateBucket",),
        ("s3:DeleteBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload",
         "s3:DeleteObject", "s3:DeleteObjectVersion"),
        set={"tags": ("s3:PutBucketTagging",), "public_access_block": ("s3:PutBucketPublicAccessBlock",),
             "policy": ("s3:PutBucketPolicy",), "versioning": ("s3:PutBucketVersioning",),
             "encryption": ("s3:PutEncryptionConfiguration",), "kms_key": ("s3:PutEncryptionConfiguration",),
             "lifecycle": ("s3:PutLifecycleConfiguration",)},
        fields={"policy": ("s3:DeleteBucketPolicy",), "grants": ("s3:PutBucketAcl",)},
        read=("s3:GetBucketAcl", "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetBucketTagging",
              "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
              "s3:ListBucket"),
        on=("s3:{name}",),
        elsewhere=dict.fromkeys(
            ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"), ("s3:{name}/*",)),
    ),
    "object": Needs(
        UPLOAD, ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"),
        fields={"sha256": UPLOAD, "tags": UPLOAD}, read=("s3:GetObject",), on=("s3:{name}",),
        elsewhere={"s3:ListBucketVersions": ("s3:{bucket}",)},
    ),
    "repository": Needs(
        ("ecr:CreateRepository", "ecr:TagResource"), ("ecr:DeleteRepository",),
        set={"policy": ("ecr:SetRepositoryPolicy",), "keep_images": ("ecr:PutLifecyclePolicy",)},
        fields={"policy": ("ecr:DeleteRepositoryPolicy",), "keep_images": ("ecr:DeleteLifecyclePolicy",),
                "other_lifecycle": ("ecr:PutLifecyclePolicy", "ecr:DeleteLifecyclePolicy"),
                "scan_on_push": ("ecr:PutImageScanningConfiguration",),
                "tag_mutability": ("ecr:PutImageTagMutability",), "tags": ("ecr:TagResource", "ecr:UntagResource")},
        read=("ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy",
              "ecr:ListTagsForResource"),
        on=("ecr:repository/{name}",),
    ),
    "image": Needs(
        PUSH, ("ecr:BatchDeleteImage",), fields={"inputs": PUSH, "tags_wanted": ("ecr:PutImage",)},
        read=("ecr:DescribeImages", "ecr:BatchGetImage"), on=("ecr:repository/{name}",),
    ),
    "log-group": Needs(
        ("logs:CreateLogGroup", "logs:TagResource"), ("logs:DeleteLogGroup",),
        set={"retention_in_days": ("logs:PutRetentionPolicy",)},
        fields={"retention_in_days": ("logs:DeleteRetentionPolicy",),
                "tags": ("logs:TagResource", "logs:UntagResource")},
        read=("logs:DescribeLogGroups", "logs:ListTagsForResource"),
        on=("logs:log-group:{name}:*",),
        elsewhere=dict.fromkeys(  # the APIs for tags leave out the `:*`
            ("logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"),
            ("logs:log-group:{name}", "logs:log-group:{name}:*")),
    ),
    "security-group": Needs(
        ("ec2:CreateSecurityGroup", "ec2:CreateTags"), ("ec2:DeleteSecurityGroup",),
        set={"ingress": ("ec2:AuthorizeSecurityGroupIngress",)},
        fields={"ingress": ("ec2:RevokeSecurityGroupIngress",),
                "egress": ("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress"),
                "tags": ("ec2:CreateTags", "ec2:DeleteTags")},
        read=("ec2:DescribeSecurityGroups",), on=("ec2:security-group/*",),  # by an id that only AWS knows
    ),
    "cluster": Needs(
        ("ecs:CreateCluster", "ecs:TagResource"), ("ecs:DeleteCluster",),
        fields={"capacity_providers": ("ecs:PutClusterCapacityProviders",),
                "default_strategy": ("ecs:PutClusterCapacityProviders",), "container_insights": ("ecs:UpdateCluster",),
                "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeClusters",), on=("ecs:cluster/{name}",),
    ),
    "task-definition": Needs(
        ("ecs:RegisterTaskDefinition", "ecs:TagResource"), ("ecs:DeregisterTaskDefinition", "ecs:ListTaskDefinitions"),
        fields={"": ("ecs:RegisterTaskDefinition",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeTaskDefinition",), on=("ecs:task-definition/{name}:*",),
    ),
    "parameter": Needs(
        ("ssm:PutParameter", "ssm:AddTagsToResource"), ("ssm:DeleteParameter",),
        fields={"tags": ("ssm:AddTagsToResource", "ssm:RemoveTagsFromResource")},
        read=("ssm:GetParameters", "ssm:ListTagsForResource"), on=("ssm:parameter{name}",),
    ),
    "service": Needs(
        ("ecs:CreateService", "ecs:TagResource"), ("ecs:UpdateService", "ecs:DeleteService"),
        fields={"": ("ecs:UpdateService",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeServices",), on=("ecs:service/{name}",),
    ),
    "queue": Needs(
        ("sqs:CreateQueue", "sqs:TagQueue"), ("sqs:DeleteQueue",),
        fields={"tags": ("sqs:TagQueue", "sqs:UntagQueue"), "": ("sqs:SetQueueAttributes",)},
        read=("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"), on=("sqs:{name}",),
    ),
    "schedule": Needs(
        ("scheduler:CreateSchedule",), ("scheduler:DeleteSchedule",), fields={"": ("scheduler:UpdateSchedule",)},
        read=("scheduler:GetSchedule",), on=("scheduler:schedule/default/{name}",),
    ),
    "topic": Needs(
        ("sns:CreateTopic", "sns:TagResource"), ("sns:DeleteTopic",), set={"subscriptions": ("sns:Subscribe",)},
        fields={"subscriptions": ("sns:Unsubscribe",), "tags": ("sns:TagResource", "sns:UntagResource"),
                "": ("sns:SetTopicAttributes",)},
        read=("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"),
        on=("sns:{name}",),
    ),
    "function": Needs(
        ("lambda:CreateFunction", "lambda:TagResource"), ("lambda:DeleteFunction",),
        set={"invokers": ("lambda:AddPermission",)},
        fields={"invokers": ("lambda:RemovePermission",), "code": ("lambda:UpdateFunctionCode",),
                "other": ("lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode",
                          "lambda:DeleteFunctionConcurrency"),
                "tags": ("lambda:TagResource", "lambda:UntagResource"), "": ("lambda:UpdateFunctionConfiguration",)},
        read=("lambda:GetFunction", "lambda:GetPolicy", "lambda:ListTags"), on=("lambda:function:{name}",),
    ),
    "rule": Needs(
        ("events:PutRule", "events:TagResource"),
        ("events:DeleteRule", "events:ListTargetsByRule", "events:RemoveTargets"),
        set={"targets": ("events:PutTargets",)},
        fields={"targets": ("events:RemoveTargets",), "tags": ("events:TagResource", "events:UntagResource"),
                "": ("events:PutRule",)},
        read=("events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"),
        on=("events:rule/{name}",),
    ),
}  # fmt: skip


def arn(template: str, partition: str, region: str, account: str) -> str:
    """The ARN of `service:resource`: IAM's have no region, S3's neither that nor an account."""
    service, _, resource = template.partition(":")
    if service == "s3":
        return f"arn:{partition}:s3:::{resource}"
    return f"arn:{partition}:{service}:{'' if service == 'iam' else region}:{account}:{resource}"


def templates(action: str, address: Address, deploy: str) -> tuple[str, ...]:
    """The resources, as `service:resource`, that an action of a kind is on. Raises KeyError for an unknown kind."""
    if action in ONLY_ANYWHERE:
        return (ANYWHERE,)
    needs, (_, name) = NEEDS[address.kind], address
    on = needs.elsewhere.get(action, needs.on)
    return tuple(one.format(name=name, deploy=deploy, bucket=name.partition("/")[0]) for one in on)


def for_changes(needs: Needs, changes: Changes, *, update: bool) -> set[str]:
    """The actions that making (or updating) with these changes needs, besides those of every creation."""
    touched = {top(change.path) for change in changes}
    found = {action for name in touched for action in needs.set.get(name, ())}
    if update:
        rest = needs.fields.get("", ())
        found |= {action for name in touched for action in needs.fields.get(name, rest)}
    return found


def statements(grants: Mapping[str, Iterable[str]]) -> list[dict[str, object]]:
    """Policy statements that allow actions by ARN: one for all resources with the same actions."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for resource, actions in sorted(grants.items()):
        grouped.setdefault(tuple(sorted(actions)), []).append(resource)
    return [{"Effect": "Allow", "Action": list(actions), "Resource": arns} for actions, arns in grouped.items()]
