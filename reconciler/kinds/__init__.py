"""The kinds of AWS resources, one file each, in the order in which they are made."""

from __future__ import annotations

from reconciler.kinds.base import AnyKind, Kind
from reconciler.kinds.ec2_security_group import SecurityGroup, SecurityGroupSpec
from reconciler.kinds.ecr_repository import Repository, RepositorySpec
from reconciler.kinds.ecs_capacity_provider import CapacityProvider, CapacityProviderSpec
from reconciler.kinds.ecs_cluster import Cluster, ClusterSpec
from reconciler.kinds.ecs_service import Service, ServiceSpec
from reconciler.kinds.ecs_task_definition import TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.events_rule import Rule, RuleSpec
from reconciler.kinds.iam_instance_profile import InstanceProfile, InstanceProfileSpec
from reconciler.kinds.iam_oidc_provider import OidcProvider, OidcProviderSpec
from reconciler.kinds.iam_policy import Policy, PolicySpec
from reconciler.kinds.iam_role import Role, RoleSpec
from reconciler.kinds.iam_user import User, UserSpec
from reconciler.kinds.lambda_function import Function, FunctionSpec
from reconciler.kinds.log_group import LogGroup, LogGroupSpec
from reconciler.kinds.s3_bucket import Bucket, BucketSpec
from reconciler.kinds.s3_folder import Folder, FolderSpec
from reconciler.kinds.s3_object import Object, ObjectSpec
from reconciler.kinds.scheduler_schedule import Schedule, ScheduleSpec
from reconciler.kinds.sns_topic import Topic, TopicSpec
from reconciler.kinds.sqs_queue import Queue, QueueSpec
from reconciler.kinds.ssm_parameter import Parameter, ParameterSpec

KINDS: tuple[AnyKind, ...] = (
    OidcProvider(), Policy(), Role(), User(), InstanceProfile(), Bucket(), Object(), Folder(), Repository(),
    LogGroup(), SecurityGroup(), Parameter(), Cluster(), CapacityProvider(), TaskDefinition(), Service(), Queue(),
    Topic(), Function(), Schedule(), Rule(),
)  # fmt: skip

__all__ = [
    "KINDS", "AnyKind", "Bucket", "BucketSpec", "CapacityProvider", "CapacityProviderSpec", "Cluster",
    "ClusterSpec", "Folder", "FolderSpec", "Function", "FunctionSpec", "InstanceProfile", "InstanceProfileSpec",
    "Kind", "LogGroup", "LogGroupSpec", "Object", "ObjectSpec", "OidcProvider", "OidcProviderSpec", "Parameter",
    "ParameterSpec", "Policy", "PolicySpec", "Queue", "QueueSpec", "Repository", "RepositorySpec", "Role",
    "RoleSpec", "Rule", "RuleSpec", "Schedule", "ScheduleSpec", "SecurityGroup", "SecurityGroupSpec", "Service",
    "ServiceSpec", "TaskDefinition", "TaskDefinitionSpec", "Topic", "TopicSpec", "User", "UserSpec",
]  # fmt: skip
