"""The names inside moto that the embedded AWS relies on: this fails first when a new version changes one."""

from __future__ import annotations

import importlib.metadata
import inspect

import pytest
from moto import backends
from moto.awslambda import urls
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.policy import Policy as FunctionPolicy
from moto.awslambda.responses import LambdaResponse
from moto.core import responses
from moto.core.responses import ActionResult, BaseResponse
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ecr.models import ECRBackend, Image, Repository
from moto.ecs.models import Cluster, EC2ContainerServiceBackend, TaskDefinition
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.events.models import EventPattern, EventsBackend, Rule
from moto.iam import models as iam_models
from moto.iam.models import AWSManagedPolicy, IAMBackend, Policy, Role, User
from moto.iam.responses import IamResponse
from moto.kms.models import Key, KmsBackend
from moto.logs.models import LogGroup, LogsBackend, LogStream
from moto.logs.responses import LogsResponse
from moto.moto_server.werkzeug_app import (
    BackendRequest,
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import (
    FakeBucket,
    FakeDeleteMarker,
    FakeKey,
    FakeMultipart,
    MultipartChecksumBuilder,
    PublicAccessBlock,
    S3Backend,
)
from moto.s3.responses import S3Response
from moto.s3.utils import _VersionedKeyStore
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, ScheduleGroup
from moto.sns.models import SNSBackend, Topic
from moto.sns.responses import SNSResponse
from moto.ssm.models import Parameter, SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.sts.models import AssumedRole, STSBackend
from werkzeug.routing import Rule as WerkzeugRule
from werkzeug.serving import WSGIRequestHandler

from reconciler.local.s3_corrections import OF_AN_OBJECT, WRITES

ACCOUNT, REGION = "123456789012", "us-east-1"


def test_the_version_is_the_one_pinned() -> None:
    assert importlib.metadata.version("moto").startswith("5.2.")


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            EC2ContainerServiceResponse,
            "run_task describe_tasks list_tasks stop_task create_cluster delete_cluster describe_clusters ecs_backend",
        ),
        (
            EC2ContainerServiceResponse,
            "put_cluster_capacity_providers register_task_definition deregister_task_definition",
        ),
        (
            EC2ContainerServiceResponse,
            "create_capacity_provider update_capacity_provider delete_capacity_provider describe_capacity_providers",
        ),
        (BaseResponse, "_get_param _get_params _get_int_param"),
        (ActionResult, "result"),
        (WerkzeugRule, "_compile_builder"),
        (BackendRequest, "_load_form_data"),
        (LogsResponse, "_get_param filter_log_events"),
        (backends, "list_of_moto_modules"),
        (responses, "method_names_from_class"),
        (EC2ContainerServiceBackend, "_get_cluster describe_task_definition _get_provider iter_tagged_resources"),
        (EC2Backend, "get_subnet get_security_group_from_id get_default_security_group create_network_interface"),
        (EC2Backend, "delete_network_interface _delete_security_group"),
        (EC2Backend, "create_default_vpc create_internet_gateway attach_internet_gateway create_route"),
        (EC2Backend, "describe_route_tables"),
        (NetworkInterface, "group_set"),
        (ECRBackend, "put_image put_lifecycle_policy _get_repository"),
        (Image, "get_image_digest get_image_manifest"),
        (LogsBackend, "create_log_group ensure_log_stream put_retention_policy"),
        (LogStream, "put_log_events get_log_events"),
        (S3Backend, "delete_bucket_encryption list_objects_v2 put_bucket_ownership_controls"),
        (S3Response, "put_object put_object_acl get_bucket_notification _bucket_response_put"),
        (S3Response, " ".join(dict.fromkeys((*WRITES, *OF_AN_OBJECT)))),
        (SimpleSystemManagerResponse, "_dispatch"),
        (IAMBackend, "get_role_by_arn delete_user update_user get_user get_groups_for_user"),
        (IAMBackend, "create_policy create_policy_version create_role update_assume_role_policy put_role_policy"),
        (IAMBackend, "put_user_policy attach_role_policy attach_user_policy"),
        (IAMBackend, "remove_role_from_instance_profile get_instance_profile _init_aws_policies"),
        (AWSManagedPolicy, "arn"),
        (iam_models, "get_account_id_from"),
        (SimpleSystemManagerBackend, "put_parameter"),
        (EventsBackend, "put_rule"),
        (S3Backend, "put_bucket_policy copy_object upload_part_copy put_object complete_multipart_upload"),
        (S3Backend, "delete_object get_bucket"),
        (S3Response, "_get_key copy_object head_object"),
        (FakeBucket, "is_versioned"),
        (_VersionedKeyStore, "setlist getlist"),
        (FakeMultipart, "complete set_part dispose"),
        (MultipartChecksumBuilder, "addPart build"),
        (
            IamResponse,
            "_dispatch create_user create_policy list_ssh_public_keys list_signing_certificates list_mfa_devices",
        ),
        (LambdaBackend, "create_function update_function_configuration delete_function delete_alias list_aliases"),
        (LambdaBackend, "list_event_source_mappings list_versions_by_function"),
        (LambdaResponse, "create_function_url_config get_function_url_config delete_function_url_config"),
        (LambdaResponse, "put_function_event_invoke_config delete_function_event_invoke_config"),
        (LambdaResponse, "list_function_event_invoke_configs add_permission get_policy remove_permission"),
        (urls, "url_paths"),
        (LambdaFunction, "get_configuration update_configuration update_function_code architectures"),
        (FunctionPolicy, "add_statement"),
        (STSBackend, "assume_role"),
        (Rule, "send_to_targets"),
        (EventPattern, "get_pattern matches_event _flatten_dict"),
        (SNSBackend, "subscribe _find_subscription"),
        (SNSResponse, "list_subscriptions_by_topic confirm_subscription"),
        (Topic, "publish"),
        (WSGIRequestHandler, "make_environ run_wsgi connection_dropped"),
        (MotoRequestHandler, "make_environ"),
    ],
)
def test_names_are_there(owner: type, names: str) -> None:
    assert [name for name in names.split() if not hasattr(owner, name)] == []


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (EC2ContainerServiceBackend.__init__, "tasks clusters"),
        (Cluster.__init__, "capacity_providers default_capacity_provider_strategy running_tasks_count status arn name"),
        (TaskDefinition.__init__, "container_definitions compatibilities network_mode ephemeral_storage cpu memory"),
        (TaskDefinition.__init__, "runtime_platform status tags family arn"),
        (Repository.__init__, "images lifecycle_policy"),
        (Image.__init__, "image_tags image_pushed_at"),
        (LogGroup.__init__, "streams creation_time retention_in_days"),
        (LogStream.__init__, "events creation_time last_ingestion_time stored_bytes"),
        (FakeDeleteMarker.__init__, "last_modified _version_id"),
        (Role.__init__, "policies managed_policies assume_role_policy_document"),
        (Policy.__init__, "versions default_version_id"),
        (FunctionPolicy.__init__, "statements"),
        (STSBackend.__init__, "assumed_roles"),
        (AssumedRole.__init__, "access_key_id secret_access_key session_token"),
        (EventBridgeSchedulerBackend.__init__, "schedule_groups"),
        (ScheduleGroup.__init__, "schedules"),
        (Schedule.__init__, "schedule_expression schedule_expression_timezone action_after_completion target state"),
        (Schedule.__init__, "name group_name arn"),
        (EventsBackend.__init__, "event_buses"),
        (Rule.__init__, "targets state event_pattern name"),
        (SNSBackend.__init__, "topics"),
        (EC2ContainerServiceBackend.__init__, "account_settings"),
        (SimpleSystemManagerBackend.__init__, "_parameters _resource_tags"),
        (Parameter.__init__, "keyid parameter_type policies"),
        (KmsBackend.__init__, "keys"),
        (Key.__init__, "arn aliases"),
        (FakeKey.__init__, "encryption kms_key_id bucket_key_enabled _etag _is_versioned _version_id _storage_class"),
        (FakeKey.__init__, "_value_buffer"),
        (FakeKey.__init__, "last_modified checksum_algorithm checksum_value checksum_type checksum_parts"),
        (FakeBucket.__init__, "keys creation_date versioning_status encryption public_access_block ownership_rule"),
        (User.__init__, "access_keys ssh_public_keys signing_certificates mfa_devices password"),
    ],
)
def test_attributes_are_set(function: object, names: str) -> None:
    source = inspect.getsource(function)  # type: ignore[arg-type]
    assert [name for name in names.split() if f"self.{name} =" not in source and f"self.{name}:" not in source] == []


def test_signatures() -> None:
    assert list(inspect.signature(PublicAccessBlock).parameters) == [
        "block_public_acls",
        "ignore_public_acls",
        "block_public_policy",
        "restrict_public_buckets",
    ]
    assert callable(DomainDispatcherApplication(create_backend_app))
    assert ec2_backends[ACCOUNT][REGION].enis == {}
