"""The kinds of AWS resources, one file each, in the order in which they are made."""

from __future__ import annotations

from reconciler.kinds.base import AnyKind, Kind
from reconciler.kinds.ec2_security_group import SecurityGroup, SecurityGroupSpec
from reconciler.kinds.ecr_repository import Repository, RepositorySpec
from reconciler.kinds.ecs_cluster import Cluster, ClusterSpec
from reconciler.kinds.ecs_task_definition import TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.iam_oidc_provider import OidcProvider, OidcProviderSpec
from reconciler.kinds.iam_policy import Policy, PolicySpec
from reconciler.kinds.iam_role import Role, RoleSpec
from reconciler.kinds.iam_user import User, UserSpec
from reconciler.kinds.log_group import LogGroup, LogGroupSpec
from reconciler.kinds.s3_bucket import Bucket, BucketSpec
from reconciler.kinds.s3_object import Object, ObjectSpec

KINDS: tuple[AnyKind, ...] = (
    OidcProvider(), Policy(), Role(), User(), Bucket(), Object(), Repository(), LogGroup(), SecurityGroup(),
    Cluster(), TaskDefinition(),
)  # fmt: skip

__all__ = [
    "KINDS", "AnyKind", "Bucket", "BucketSpec", "Cluster", "ClusterSpec", "Kind", "LogGroup", "LogGroupSpec",
    "Object", "ObjectSpec", "OidcProvider", "OidcProviderSpec", "Policy", "PolicySpec", "Repository",
    "RepositorySpec", "Role", "RoleSpec", "SecurityGroup", "SecurityGroupSpec", "TaskDefinition",
    "TaskDefinitionSpec", "User", "UserSpec",
]  # fmt: skip
