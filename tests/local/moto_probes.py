"""What AWS does where moto is put right, as one probe for each of `corrections.every`, by the same words.

`python -m tests.local.moto_probes` asks moto as it is, in a process of its own since corrections are for good. It
prints a JSON object: for each probe whether moto is as AWS is. A call that moto can't answer isn't.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime
import gc
import hashlib
import io
import json
import os
import sys
import threading
import tomllib
import tracemalloc
import unittest.mock
import uuid
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

REGION = "us-east-1"
Clients = Callable[[str], Any]
Probe = Callable[[Clients], bool]
ECS_TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                            "Action": "sts:AssumeRole"}], "Version": "2012-10-17"}  # fmt: skip
READ = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}], "Version": "2012-10-17"}


def _new(prefix: str = "probe") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def _refused(code: str, call: Callable[..., Any], **parameters: Any) -> bool:
    """Whether a call is refused with this code."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"]) == code
    return False


def _role(clients: Clients, trusted: str = "lambda.amazonaws.com") -> str:
    trust = json.loads(json.dumps(ECS_TRUST).replace("ecs-tasks.amazonaws.com", trusted))
    made = clients("iam").create_role(RoleName=_new(), AssumeRolePolicyDocument=json.dumps(trust))
    return str(made["Role"]["Arn"])


def _user(clients: Clients) -> str:
    name = _new()
    clients("iam").create_user(UserName=name)
    return name


def _function(clients: Clients, **other: Any) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def main(event, context): print('it ran')\n")
    name = _new()
    given = {"FunctionName": name, "Runtime": "python3.13", "Handler": "main.main", "Role": _role(clients),
             "Code": {"ZipFile": packed.getvalue()}}  # fmt: skip
    clients("lambda").create_function(**given | other)
    return name


def _aliased(clients: Clients) -> tuple[str, str]:
    """(function, version): an alias `live` leads to the version."""
    name, functions = _function(clients), clients("lambda")
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    return name, version


def _bucket(clients: Clients) -> str:
    name = _new()
    clients("s3").create_bucket(Bucket=name)
    return name


def _filtered_group(clients: Clients) -> bool:
    ec2, name = clients("ec2"), f"{_new()} [a](b){{c}}+$"
    ec2.create_security_group(GroupName=name, Description="x")
    filters = [[{"Name": "group-name", "Values": [value]}] for value in (name, f"{name[:-3]}*", name.replace("(", "?"))]
    answers = [ec2.describe_security_groups(Filters=wanted)["SecurityGroups"] for wanted in filters]
    return [[group["GroupName"] for group in groups] for groups in answers] == [[name]] * 3


def _group_in_use(clients: Clients) -> bool:
    ec2 = clients("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName=_new(), Description="a probe", VpcId=subnet["VpcId"])["GroupId"]
    ec2.create_network_interface(SubnetId=subnet["SubnetId"], Groups=[group])
    return _refused("DependencyViolation", ec2.delete_security_group, GroupId=group)


def _log_pages(clients: Clients) -> bool:
    logs, group = clients("logs"), _new()
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
    for _ in range(2):
        lines = [{"timestamp": now, "message": "x" * 100_000}] * 8
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=lines)
    page = logs.get_log_events(logGroupName=group, logStreamName="one", startFromHead=True)
    return len(page["events"]) < 16


def _log_identifier(clients: Clients) -> bool:
    logs, group = clients("logs"), _new()
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:123456789012:log-group:{group}"
    return bool(logs.filter_log_events(logGroupIdentifier=arn)["events"] == [])


def _log_pattern(clients: Clients) -> bool:
    logs, group = clients("logs"), _new()
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
    lines = [{"timestamp": now, "message": json.dumps({"Type": kind})} for kind in ("Task", "Container")]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=[*lines, {"timestamp": now, "message": "x"}])
    answer = logs.filter_log_events(logGroupName=group, filterPattern='{ ($.Type = "Task") && ($.Type = "Task") }')
    return [event["message"] for event in answer["events"]] == ['{"Type": "Task"}']


def _audiences(clients: Clients) -> bool:
    iam = clients("iam")
    arn = iam.create_open_id_connect_provider(
        Url=f"https://{_new()}.example.com", ClientIDList=["one"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    return set(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]) == {"one", "two"}


def _way_out(clients: Clients) -> bool:
    ec2 = clients("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["RouteTables"]
    return any(route.get("GatewayId", "").startswith("igw-") for table in tables for route in table["Routes"])


def _boundary(clients: Clients) -> bool:
    iam, user = clients("iam"), _user(clients)
    arn = iam.create_policy(PolicyName=_new(), PolicyDocument=json.dumps(READ))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=arn)
    return bool(iam.get_user(UserName=user)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn)


def _service_credentials(clients: Clients) -> bool:
    iam, user = clients("iam"), _user(clients)
    iam.create_service_specific_credential(UserName=user, ServiceName="codecommit.amazonaws.com")
    return len(iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"]) == 1


def _user_with_key(clients: Clients) -> bool:
    iam, user = clients("iam"), _user(clients)
    iam.create_access_key(UserName=user)
    return _refused("DeleteConflict", iam.delete_user, UserName=user)


def _moved_user(clients: Clients) -> bool:
    iam, user = clients("iam"), _user(clients)
    iam.tag_user(UserName=user, Tags=[{"Key": "a", "Value": "b"}])
    iam.update_user(UserName=user, NewPath="/elsewhere/")
    return bool(iam.list_user_tags(UserName=user)["Tags"])


def _policy_name(clients: Clients) -> bool:
    iam, given = clients("iam"), {"PolicyName": _new(), "PolicyDocument": json.dumps(READ)}
    iam.create_policy(**given)
    return _refused("EntityAlreadyExists", iam.create_policy, **given, Path="/elsewhere/")


def _expired_image(clients: Clients) -> bool:
    ecr, name = clients("ecr"), _new()
    ecr.create_repository(repositoryName=name)
    keep_one = {"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan",
                                                 "countNumber": 1}, "action": {"type": "expire"}}  # fmt: skip
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [keep_one]}))
    for number in range(2):
        layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 2,
                 "digest": f"sha256:{number:064x}"}  # fmt: skip
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                    "config": layer, "layers": [layer]}  # fmt: skip
        ecr.put_image(repositoryName=name, imageTag=f"v{number}", imageManifest=json.dumps(manifest))
    return len(ecr.describe_images(repositoryName=name)["imageDetails"]) == 1


def _configuration(clients: Clients) -> bool:
    name = _function(clients, TracingConfig={"Mode": "Active"})
    configuration = clients("lambda").get_function_configuration(FunctionName=name)
    return configuration.get("TracingConfig") == {"Mode": "Active"} and "LogGroup" in configuration.get(
        "LoggingConfig", {}
    )


def _architecture(clients: Clients) -> bool:
    name, packed = _function(clients), io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    changed = clients("lambda").update_function_code(
        FunctionName=name, ZipFile=packed.getvalue(), Architectures=["arm64"]
    )
    return list(changed["Architectures"]) == ["arm64"]


def _untrusting_role(clients: Clients) -> bool:
    role = _role(clients, "ecs-tasks.amazonaws.com")
    with contextlib.suppress(ClientError):
        _function(clients, Role=role)
        return False
    return True


def _statement_id(clients: Clients) -> bool:
    given = {"FunctionName": _function(clients), "StatementId": "one", "Action": "lambda:InvokeFunction",
             "Principal": "events.amazonaws.com"}  # fmt: skip
    clients("lambda").add_permission(**given)
    return _refused("ResourceConflictException", clients("lambda").add_permission, **given)


def _urls(clients: Clients) -> bool:
    (name, _), functions = _aliased(clients), clients("lambda")
    functions.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="AWS_IAM")
    missing = _refused("ResourceNotFoundException", functions.get_function_url_config, FunctionName=name)
    return missing and len(functions.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]) == 1


def _destinations(clients: Clients) -> bool:
    (name, _), functions = _aliased(clients), clients("lambda")
    functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    functions.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=0)
    configs = functions.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    return {config["MaximumRetryAttempts"] for config in configs} == {0, 1}


def _policies(clients: Clients) -> bool:
    (name, _), functions = _aliased(clients), clients("lambda")
    functions.add_permission(FunctionName=name, Qualifier="live", StatementId="one", Action="lambda:InvokeFunction",
                             Principal="events.amazonaws.com")  # fmt: skip
    return _refused("ResourceNotFoundException", functions.get_policy, FunctionName=name)


def _aliased_version(clients: Clients) -> bool:
    name, version = _aliased(clients)
    delete = clients("lambda").delete_function
    return _refused("ResourceConflictException", delete, FunctionName=name, Qualifier=version)


def _new_bucket(clients: Clients) -> bool:
    s3, name = clients("s3"), _bucket(clients)
    blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    s3.get_bucket_encryption(Bucket=name)
    return all(blocked.values()) and "Rules" in s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]


def _acl(clients: Clients) -> bool:
    name, owned = _bucket(clients), {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    clients("s3").put_bucket_ownership_controls(Bucket=name, OwnershipControls=owned)
    return _refused("AccessControlListNotSupported", clients("s3").put_bucket_acl, Bucket=name, ACL="public-read")


def _event_bridge(clients: Clients) -> bool:
    s3, name = clients("s3"), _bucket(clients)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    return "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name)


def _customer_key(clients: Clients) -> bool:
    s3, name = clients("s3"), _bucket(clients)
    given = {"Bucket": name, "Key": "one", "Body": b"1", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.meta.events.unregister("before-parameter-build.s3.PutObject")
    return _refused("AccessDenied", s3.put_object, **given)


def _other_checksum(clients: Clients) -> bool:
    s3, name = clients("s3"), _bucket(clients)
    checksum = base64.b64encode(hashlib.sha256(b"1").digest()).decode()
    s3.put_object(Bucket=name, Key="one", Body=b"1", ChecksumSHA256=checksum)
    upload = s3.create_multipart_upload(Bucket=name, Key="two", ChecksumAlgorithm="SHA256")["UploadId"]
    given = {"Bucket": name, "Key": "two", "ChecksumSHA256": checksum}
    large = b"2" * 2**17
    return (
        _refused("BadDigest", s3.put_object, Body=b"2", **given)
        and _refused("BadDigest", s3.put_object, Body=large, **given)
        and _refused("BadDigest", s3.upload_part, Body=large, UploadId=upload, PartNumber=1, **given)
    )


def _large_policy(length: int) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{'b' * length}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _inline_of_role(clients: Clients) -> bool:
    iam, name = clients("iam"), _role(clients).rpartition("/")[2]
    iam.put_role_policy(RoleName=name, PolicyName="one", PolicyDocument=_large_policy(6_000))
    given = {"RoleName": name, "PolicyName": "two", "PolicyDocument": _large_policy(6_000)}
    return _refused("LimitExceeded", iam.put_role_policy, **given)


def _inline_of_user(clients: Clients) -> bool:
    given = {"UserName": _user(clients), "PolicyName": "one", "PolicyDocument": _large_policy(3_000)}
    return _refused("LimitExceeded", clients("iam").put_user_policy, **given)


def _attached(clients: Clients, holder: str, name: str) -> bool:
    iam = clients("iam")
    arns = [iam.create_policy(PolicyName=_new(), PolicyDocument=json.dumps(READ))["Policy"]["Arn"] for _ in range(11)]
    attach = getattr(iam, f"attach_{holder.lower()}_policy")
    for arn in arns[:10]:
        attach(**{f"{holder}Name": name}, PolicyArn=arn)
    return _refused("LimitExceeded", attach, **{f"{holder}Name": name}, PolicyArn=arns[10])


def _parameter_name(clients: Clients) -> bool:
    name = "/" + "/".join(["n" * 80] * 12)  # 972 characters, which with the rest of its ARN are too many
    return _refused("ValidationException", clients("ssm").put_parameter, Name=name, Value="1", Type="String")


def _parameter_expires(clients: Clients) -> bool:
    ssm, name = clients("ssm"), f"/{_new()}"
    over = [{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2020-01-01T00:00:00.000Z"}}]
    ssm.put_parameter(Name=name, Value="1", Type="String", Tier="Advanced", Policies=json.dumps(over))
    return _refused("ParameterNotFound", ssm.get_parameter, Name=name)


def _cluster_again(clients: Clients) -> bool:
    ecs, name = clients("ecs"), _new()
    ecs.create_cluster(clusterName=name, tags=[{"key": "a", "value": "b"}])
    ecs.create_cluster(clusterName=name)
    (cluster,) = ecs.describe_clusters(clusters=[name], include=["TAGS"])["clusters"]
    return bool(cluster.get("tags") == [{"key": "a", "value": "b"}])


def _cluster_in_use(clients: Clients) -> bool:
    ecs, name = clients("ecs"), _new()
    ec2 = clients("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName=name, Description="a probe", VpcId=subnet["VpcId"])["GroupId"]
    ecs.create_cluster(clusterName=name)
    ecs.register_task_definition(family=name, cpu="256", memory="512", **FARGATE)
    ecs.create_service(
        cluster=name, serviceName=name, taskDefinition=name, desiredCount=0, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet["SubnetId"]], "securityGroups": [group]}},
    )  # fmt: skip
    return _refused("ClusterContainsServicesException", ecs.delete_cluster, cluster=name)


def _cluster_counts(clients: Clients) -> bool:
    from moto.ecs.models import ecs_backends

    ecs, name = clients("ecs"), _new()
    ecs.create_cluster(clusterName=name)
    if "123456789012" in ecs_backends:  # moto's own, in this process
        ecs_backends["123456789012"][REGION].clusters[name].running_tasks_count = 7
    (cluster,) = ecs.describe_clusters(clusters=[name])["clusters"]
    return bool(cluster["runningTasksCount"] == 0)


def _unknown_provider(clients: Clients) -> bool:
    ecs, name = clients("ecs"), _new()
    ecs.create_cluster(clusterName=name)
    given = {"cluster": name, "capacityProviders": ["nobody"], "defaultCapacityProviderStrategy": []}
    return _refused("InvalidParameterException", ecs.put_cluster_capacity_providers, **given)


def _group_of_no_vpc(clients: Clients) -> bool:
    given = {"GroupName": _new(), "Description": "a", "VpcId": "vpc-0123456789abcdef0"}
    return _refused("InvalidVpcID.NotFound", clients("ec2").create_security_group, **given)


def _managed_provider(clients: Clients) -> bool:
    ecs, name = clients("ecs"), _new()
    ecs.create_cluster(clusterName=name)
    role = _role(clients, "ecs.amazonaws.com")
    profile = clients("iam").create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
    template = {"ec2InstanceProfileArn": profile, "networkConfiguration": {"subnets": ["subnet-1"]}}
    asked = {"infrastructureRoleArn": role, "instanceLaunchTemplate": template}
    ecs.create_capacity_provider(name=name, cluster=name, managedInstancesProvider=asked)
    return bool(ecs.describe_clusters(clusters=[name])["clusters"][0]["capacityProviders"] == [name])


def _role_of_a_profile(clients: Clients) -> bool:
    iam, name = clients("iam"), _new()
    role = _role(clients).rpartition("/")[2]
    iam.create_instance_profile(InstanceProfileName=name)
    given = {"InstanceProfileName": name, "RoleName": role}
    return _refused("NoSuchEntity", iam.remove_role_from_instance_profile, **given)


FARGATE = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
           "containerDefinitions": [{"name": "a", "image": "a"}]}  # fmt: skip


def _fargate_size(clients: Clients) -> bool:
    ecs = clients("ecs")
    made = ecs.register_task_definition(family=_new(), cpu="1 vCPU", memory="2 GB", **FARGATE)["taskDefinition"]
    return (made["cpu"], made["memory"]) == ("1024", "2048")


def _deregistered(clients: Clients) -> bool:
    ecs = clients("ecs")
    arn = ecs.register_task_definition(family=_new(), cpu="256", memory="512", **FARGATE)["taskDefinition"]
    gone = ecs.deregister_task_definition(taskDefinition=arn["taskDefinitionArn"])["taskDefinition"]
    return "deregisteredAt" in gone


def _disabled_rule(clients: Clients) -> bool:
    """A rule that is switched off sends nothing. That rules call functions is seen in test_functions_api."""
    events, sqs, name = clients("events"), clients("sqs"), _new()
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}), State="DISABLED")
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": f"arn:aws:sqs:{REGION}:123456789012:{name}"}])
    events.put_events(Entries=[{"Source": name, "DetailType": "a", "Detail": "{}"}])
    return not sqs.receive_message(QueueUrl=url).get("Messages")


def _unconfirmed(clients: Clients) -> bool:
    sns = clients("sns")
    topic = sns.create_topic(Name=_new())["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="me@example.com")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return bool(subscription["SubscriptionArn"] == "PendingConfirmation")


def _copy_has_its_own_checksum(clients: Clients) -> bool:
    """Whether what was uploaded in parts has, once copied, the checksum of all its bytes."""
    s3, body = clients("s3"), bytes(range(256)) * 40
    place = {"Bucket": _bucket(clients), "Key": "parts"}
    begun = s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")
    upload = {**place, "UploadId": begun["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=body, ChecksumAlgorithm="SHA256")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=place["Bucket"], Key="copy", CopySource=place)
    head = s3.head_object(Bucket=place["Bucket"], Key="copy", ChecksumMode="ENABLED")
    return bool(base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(body).digest())


def _unknown_upload(clients: Clients) -> bool:
    place = {"Bucket": _bucket(clients), "Key": "key"}
    try:
        clients("s3").complete_multipart_upload(
            **place, UploadId="none", MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]}
        )
    except ClientError as error:
        return str(error.response["Error"]["Code"]) == "NoSuchUpload"
    return False


def _any_keys_of_versions(clients: Clients) -> bool:
    """Whether versions are listed whose keys have what XML can't hold, or what a URL reads otherwise."""
    s3, name, keys = clients("s3"), _bucket(clients), ["a%2Fb +", "a/\x01", "ü/b"]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in keys:
        s3.put_object(Bucket=name, Key=key, Body=b"")
    s3.delete_object(Bucket=name, Key=keys[1])
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 1}))
    listed = sorted(version["Key"] for page in pages for version in page.get("Versions", ()))
    (marker,) = [marker["Key"] for page in pages for marker in page.get("DeleteMarkers", ())]
    folders = s3.list_object_versions(Bucket=name, Prefix="a", Delimiter="/").get("CommonPrefixes")
    return (listed, marker, folders) == (keys, keys[1], [{"Prefix": "a/"}])


def _suspended_versioning(clients: Clients) -> bool:
    """Whether a PUT and a DELETE leave the versions that have an ID, once versioning is suspended."""
    s3, place, contents = clients("s3"), {"Bucket": _bucket(clients), "Key": "key"}, []
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=place["Bucket"], VersioningConfiguration={"Status": status})
        s3.put_object(**place, Body=status.encode())
    for _ in range(2):
        listed = s3.list_object_versions(Bucket=place["Bucket"])
        contents.append({version["VersionId"] == "null" for version in listed.get("Versions", ())})
        s3.delete_object(**place)
    return contents == [{False, True}, {False}]


PROBES: dict[str, Probe] = {
    "security groups in use stay": _group_in_use,
    "a security group is of a VPC that is there": _group_of_no_vpc,
    "filters are wildcards": _filtered_group,
    "log pages end at one megabyte": _log_pages,
    "log groups have identifiers": _log_identifier,
    "filter patterns look into events": _log_pattern,
    "an OpenID Connect provider's audiences change": _audiences,
    "default VPCs have a way out": _way_out,
    "users have permissions boundaries": _boundary,
    "users have credentials for single services": _service_credentials,
    "users stay while they have credentials": _user_with_key,
    "tags move with a user": _moved_user,
    "names of policies are used once": _policy_name,
    "a role leaves a profile once": _role_of_a_profile,
    "managed instances have capacity providers": _managed_provider,
    "lifecycle policies delete images": _expired_image,
    "all of a function's configuration is kept": _configuration,
    "a function's architecture changes with its code": _architecture,
    "a function's role must trust Lambda": _untrusting_role,
    "a function's statement ids are used once": _statement_id,
    "a function's URLs are of a qualifier": _urls,
    "a function's destinations are of a qualifier": _destinations,
    "a function's policies are of a qualifier": _policies,
    "a version that an alias leads to stays": _aliased_version,
    "new buckets are private": _new_bucket,
    "ACLs count only where they are on": _acl,
    "events to EventBridge are shown": _event_bridge,
    "customers' keys are blocked": _customer_key,
    "content that its checksum isn't of is refused": _other_checksum,
    "put_role_policy keeps to the inline policies of a role together": _inline_of_role,
    "put_user_policy keeps to the inline policies of a user together": _inline_of_user,
    "attach_role_policy keeps to the managed policies of a role or user": lambda clients: _attached(
        clients, "Role", _role(clients).rpartition("/")[2]
    ),
    "attach_user_policy keeps to the managed policies of a role or user": lambda clients: _attached(
        clients, "User", _user(clients)
    ),
    "put_parameter keeps to a parameter's ARN": _parameter_name,
    "parameters expire": _parameter_expires,
    "a cluster that is there is given back": _cluster_again,
    "a cluster in use stays": _cluster_in_use,
    "a cluster counts its tasks": _cluster_counts,
    "a cluster's providers are there": _unknown_provider,
    "a task definition for Fargate has a size of Fargate's": _fargate_size,
    "a task definition says when it was deregistered": _deregistered,
    "rules call functions": _disabled_rule,
    "addresses are confirmed": _unconfirmed,
    "a version replaces only its own ID": _suspended_versioning,
    "versions are listed under encoded keys": _any_keys_of_versions,
    "a copy has a checksum of its own": _copy_has_its_own_checksum,
    "an upload is completed once": _unknown_upload,
}


def _names_moto_by_listing_folders(_: Clients) -> bool:
    """Whether moto lists its own folder once, however often it is asked."""
    from moto import backends

    return backends.list_of_moto_modules() is backends.list_of_moto_modules()


def _reads_a_time_without_guessing(_: Clients) -> bool:
    """Whether the text of a time is read without dateutil."""
    from moto.core import serialize

    with unittest.mock.patch("dateutil.parser.parse", side_effect=ValueError):
        try:
            moment = serialize.parse_to_aware_datetime("2026-01-02T03:04:05.678Z")  # type: ignore[attr-defined]
        except ValueError:
            return False
    return bool(moment == datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000, datetime.UTC))


def _walks_while_policies_come(clients: Clients) -> bool:
    """Whether a policy may be added while another thread reads all."""
    from moto.iam.models import iam_backends

    iam, backend = clients("iam"), iam_backends["123456789012"]["aws"]
    error: list[bool] = []

    class Growing(dict[str, Any]):
        def values(self) -> Any:
            for number, policy in enumerate(super().values()):
                if number == 0:
                    adding = threading.Thread(target=iam.create_policy, kwargs={
                        "PolicyName": _new(), "PolicyDocument": json.dumps(READ)})  # fmt: skip
                    adding.start()
                    adding.join(30)
                yield policy

    for _ in range(2):
        iam.create_policy(PolicyName=_new(), PolicyDocument=json.dumps(READ))
    backend.managed_policies = Growing(backend.managed_policies)
    try:
        iam.list_policies(Scope="All")
    except (ClientError, RuntimeError):
        error.append(True)
    return not error


def _python_is_new(_: Clients) -> bool:
    """Whether every Python that this project runs on counts for each thread how deep it is: 3.12 and later."""
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    return ">=3.11" not in project["requires-python"].replace(" ", "")


def _lists_a_page(clients: Clients) -> bool:
    """Whether the second page of a listing looks at no object of the first."""
    from moto.s3.models import s3_backends

    s3, name = clients("s3"), _bucket(clients)
    for number in range(20):
        s3.put_object(Bucket=name, Key=f"{number:02d}", Body=b"")
    keys = s3_backends["123456789012"]["aws"].buckets[name].keys
    looked: set[str] = set()
    read = type(keys).__getitem__

    class Watched(type(keys)):  # type: ignore[misc]
        def __getitem__(self, key: str) -> Any:
            looked.add(key)
            return read(self, key)

    keys.__class__ = Watched
    s3.list_objects_v2(Bucket=name, StartAfter="17")
    return len(looked) < 10


def _function_runs(clients: Clients) -> bool:
    """Whether moto runs a function: the process that asks it has no Docker engine."""
    name, logs = _function(clients), clients("logs")
    clients("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")  # moto answers when it has run
    return "it ran" in str(logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"])


def _needed(ask: Callable[[], object]) -> int:
    """The most bytes that Python needs at once for it, beside those of before."""
    tracemalloc.start()
    try:
        ask()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _object_is_on_disk(clients: Clients) -> bool:
    """Whether moto keeps 2 MiB elsewhere than in memory."""
    s3, name, body = clients("s3"), _bucket(clients), bytes(2**21)
    s3.put_object(Bucket=name, Key="warm", Body=b"")
    tracemalloc.start()
    try:
        s3.put_object(Bucket=name, Key="large", Body=body)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] < 2**21
    finally:
        tracemalloc.stop()


def _a_range_is_read_by_itself(clients: Clients) -> bool:
    s3, name = clients("s3"), _bucket(clients)
    s3.put_object(Bucket=name, Key="large", Body=bytes(2**23))
    return _needed(lambda: s3.get_object(Bucket=name, Key="large", Range="bytes=1-4")["Body"].read()) < 2**23


def _parts_are_put_together_elsewhere(clients: Clients) -> bool:
    """Whether two parts of 5 MiB are put together with less memory than both."""
    s3, name, parts = clients("s3"), _bucket(clients), []
    place = {"Bucket": name, "Key": "large"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    for number in (1, 2):
        part = s3.upload_part(**upload, PartNumber=number, Body=bytes(5 * 2**20))
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    return _needed(lambda: s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})) < 10 * 2**20


def _versions_are_listed_without_content(clients: Clients) -> bool:
    s3, name = clients("s3"), _bucket(clients)
    s3.put_object(Bucket=name, Key="large", Body=bytes(2**22))
    s3.list_object_versions(Bucket=name)
    return _needed(lambda: s3.list_object_versions(Bucket=name)) < 2**22


def _request_is_forgotten(_: Clients) -> bool:
    """Whether a request with a body goes when it is answered, without the garbage collector."""
    from flask import request
    from moto.moto_server.werkzeug_app import create_backend_app
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    app, seen = create_backend_app("s3"), list[weakref.ref[Any]]()
    app.before_request(lambda: seen.append(weakref.ref(request._get_current_object())))  # type: ignore[attr-defined]
    collects = gc.isenabled()
    gc.disable()
    try:
        run_wsgi_app(app, EnvironBuilder(f"/{_new()}/key", method="PUT", data=b"a body").get_environ())
        return [reference() for reference in seen] == [None]
    finally:
        if collects:
            gc.enable()


def _deleted_is_forgotten(clients: Clients) -> bool:
    from moto.s3.models import FakeKey, s3_backends

    s3, name = clients("s3"), _bucket(clients)
    s3.put_object(Bucket=name, Key="short-lived", Body=b"")
    key: FakeKey = s3_backends["123456789012"]["aws"].buckets[name].keys["short-lived"]
    alive = weakref.ref(key)
    del key
    s3.delete_object(Bucket=name, Key="short-lived")
    gc.collect()
    return alive() is None


def _conditions_hold_while_it_is_written(clients: Clients) -> bool:
    """Whether one of two writes is refused that both want no object to be there, when one begins within the other."""
    from moto.s3.models import s3_backends

    s3, name = clients("s3"), _bucket(clients)
    backend = s3_backends["123456789012"]["aws"]
    store, done = backend.put_object, list[bool]()

    def write(then: Callable[[], None]) -> None:
        try:
            s3.put_object(Bucket=name, Key="one", Body=b"", IfNoneMatch="*")
            done.append(True)
        except ClientError:
            done.append(False)
        then()

    ended = threading.Event()
    second = threading.Thread(target=write, args=(ended.set,))

    def begin_another(*args: Any, **kwargs: Any) -> Any:
        if second.ident is None:
            second.start()
            ended.wait(1)  # where it isn't kept waiting it ends in this time
        return store(*args, **kwargs)

    with unittest.mock.patch.object(backend, "put_object", begin_another):
        write(lambda: None)
        second.join(30)
    return sorted(done) == [False, True]


def _listed_and_deleted_meanwhile(clients: Clients) -> bool:
    """Whether a listing of parameters ends well of which another thread deletes one."""
    from moto.ssm.models import ssm_backends

    ssm, name = clients("ssm"), f"/{_new()}/one"
    backend = ssm_backends["123456789012"][REGION]
    ssm.put_parameter(Name=name, Type="String", Value="1")
    find, ended = backend.get_parameter, threading.Event()

    def delete() -> None:
        ssm.delete_parameter(Name=name)
        ended.set()

    deleting = threading.Thread(target=delete)

    def delete_first(wanted: str) -> Any:
        if deleting.ident is None:
            deleting.start()
            ended.wait(1)  # where it isn't kept waiting it ends in this time
        return find(wanted)

    with unittest.mock.patch.object(backend, "get_parameter", delete_first):
        listed = ssm.get_parameters_by_path(Path=name.rpartition("/")[0])["Parameters"]
        deleting.join(30)
    return [parameter["Name"] for parameter in listed] == [name]


def _one_partition_has_keys(clients: Clients) -> bool:
    """Whether a request leaves no IAM of other partitions."""
    from moto.iam.models import iam_backends

    clients("iam").list_users()
    return {*iam_backends["123456789012"]} == {"aws"}


def _policies_are_not_read_again(_: Clients) -> bool:
    """Whether another IAM has AWS's policies without reading them, and as they were before the first changed them."""
    from moto.iam.models import AWSManagedPolicy, IAMBackend

    def state(of: Any) -> list[Any]:
        policy = of.managed_policies["arn:aws:iam::aws:policy/ReadOnlyAccess"]
        return [policy.attachment_count, policy.tags, policy.default_version_id, policy.policy_version_list]

    with unittest.mock.patch.dict(os.environ, MOTO_IAM_LOAD_MANAGED_POLICIES="true"):
        first = IAMBackend("aws", "123456789012")
        untouched = copy.deepcopy(state(first))
        first.create_role("probe", "{}", "/", "", "", [], "3600")
        first.attach_role_policy("arn:aws:iam::aws:policy/ReadOnlyAccess", "probe")
        first.tag_policy("arn:aws:iam::aws:policy/ReadOnlyAccess", [{"Key": "a", "Value": "b"}])
        first.create_policy_version("arn:aws:iam::aws:policy/ReadOnlyAccess", json.dumps(READ), True)
        assert state(first) != untouched
        with unittest.mock.patch.object(AWSManagedPolicy, "from_data", side_effect=AssertionError("read again")):
            return state(IAMBackend("aws", "123456789012")) == untouched


# What shows itself only from within moto's own process: why each is there is a fault of moto as it is.
WITHIN: dict[str, Probe] = {
    "functions run without Docker": _function_runs,
    "IAM answers one at a time": _walks_while_policies_come,
    "keys are looked for where there are any": _one_partition_has_keys,
    "policies of AWS are made once": _policies_are_not_read_again,
    "SSM answers one at a time": _listed_and_deleted_meanwhile,
    "times are read by their form": _reads_a_time_without_guessing,
    "moto's own code is looked at once": _names_moto_by_listing_folders,
    "one rule is compiled at a time": _python_is_new,
    "a request goes with its answer": _request_is_forgotten,
    "writes of an object come one after the other": _conditions_hold_while_it_is_written,
    "listings look at no more than their page": _lists_a_page,
    "objects are on disk": _object_is_on_disk,
    "objects are sent and copied in blocks": _a_range_is_read_by_itself,
    "parts are put together on disk": _parts_are_put_together_elsewhere,
    "listings of versions read no content": _versions_are_listed_without_content,
    "what is deleted is forgotten": _deleted_is_forgotten,
}


def holds(probe: Probe, clients: Clients) -> bool:
    """Whether it is as in AWS. A call that can't be answered, or in words that aren't AWS's, is not."""
    try:
        return probe(clients)
    except Exception:
        return False


def main() -> None:
    """Ask moto as it is."""
    import boto3
    from moto import mock_aws

    with mock_aws(), contextlib.redirect_stdout(sys.stderr):  # moto prints too
        session = boto3.session.Session("AKIAPROBE", "probe", region_name=REGION)
        results = {name: holds(probe, session.client) for name, probe in (PROBES | WITHIN).items()}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
