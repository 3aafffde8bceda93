"""S3, EC2 and Logs as AWS has them, where moto alone differs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.local_fixtures import EmbeddedAws, unique


def test_a_new_bucket_is_encrypted_and_private(embedded_aws: EmbeddedAws) -> None:
    s3, bucket = embedded_aws.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)

    def algorithm() -> str:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        return str(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

    assert algorithm() == "AES256"
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert algorithm() == "aws:kms"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert algorithm() == "AES256"  # AWS has no bucket without
    s3.delete_public_access_block(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        s3.get_public_access_block(Bucket=bucket)


def test_a_new_bucket_takes_no_keys_of_customers(embedded_aws: EmbeddedAws) -> None:
    s3, bucket = embedded_aws.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}

    def blocked() -> list[str]:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        types: list[str] = rules[0]["BlockedEncryptionTypes"]["EncryptionType"]
        return types

    def put(**more: object) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, **more}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    assert blocked() == ["SSE-C"]
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    source = {"Bucket": bucket, "Key": "plain"}
    part = {"UploadId": s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"], "PartNumber": 1}
    writes: list[Callable[[], object]] = [
        lambda: s3.put_object(Bucket=bucket, Key="a", Body=b"x", **own),
        lambda: s3.copy_object(Bucket=bucket, Key="a", CopySource=source, **own),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="a", **own),
        lambda: s3.upload_part(Bucket=bucket, Key="a", Body=b"x", **part, **own),
        lambda: s3.upload_part_copy(Bucket=bucket, Key="a", CopySource=source, **part, **own),
    ]
    for write in writes:
        with pytest.raises(ClientError, match="AccessDenied"):
            write()
    put()  # says nothing of it
    assert blocked() == ["SSE-C"]
    put(BlockedEncryptionTypes={"EncryptionType": ["NONE"]})
    assert blocked() == ["NONE"]
    for write in writes:
        write()


@pytest.mark.any_request
def test_a_retention_that_aws_does_not_have(embedded_aws: EmbeddedAws) -> None:
    logs, group = embedded_aws.client("logs"), unique("/group")
    logs.create_log_group(logGroupName=group)
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        logs.put_retention_policy(logGroupName=group, retentionInDays=10)


def test_the_audiences_of_an_oidc_provider(embedded_aws: EmbeddedAws) -> None:
    iam = embedded_aws.client("iam")
    url = f"https://{unique('oidc')}.example.com"
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["one"])["OpenIDConnectProviderArn"]

    def audiences() -> list[str]:
        return sorted(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"])

    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    assert audiences() == ["one", "two"]
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
    assert audiences() == ["two"]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn + "x", ClientID="two")


def test_the_managed_policy_of_the_guide_is_there(embedded_aws: EmbeddedAws) -> None:
    arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    assert embedded_aws.client("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]


def test_acls_count_only_where_they_are_switched_on(embedded_aws: EmbeddedAws) -> None:
    s3, bucket = embedded_aws.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ACL="bucket-owner-full-control")
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_object_acl(Bucket=bucket, Key="a", ACL="public-read")
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_object(Bucket=bucket, Key="b", Body=b"x", ACL="public-read")

    def own(whose: str) -> None:
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": whose}]})

    own("ObjectWriter")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(ClientError, match="InvalidBucketAclWithObjectOwnership"):
        own("BucketOwnerEnforced")
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    own("BucketOwnerEnforced")


def test_a_new_bucket_may_be_asked_to_be_private(embedded_aws: EmbeddedAws) -> None:
    s3, bucket = embedded_aws.client("s3"), unique("bucket")
    for more in ({}, {"ObjectOwnership": "BucketOwnerEnforced"}):
        with pytest.raises(ClientError, match="InvalidBucketAclWithObjectOwnership"):
            s3.create_bucket(Bucket=bucket, ACL="public-read", **more)
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket, ACL="private")  # as Terraform makes every bucket
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.create_bucket(Bucket=unique("bucket"), ACL="public-read", ObjectOwnership="ObjectWriter")


def test_a_user_stays_while_it_has_credentials(embedded_aws: EmbeddedAws) -> None:
    iam, name = embedded_aws.client("iam"), unique("user")
    iam.create_user(UserName=name, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert iam.get_user(UserName=name)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("Access")
    key = iam.create_service_specific_credential(UserName=name, ServiceName="codecommit.amazonaws.com")
    made = key["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
    with pytest.raises(ClientError, match="DeleteConflict"):
        iam.delete_user(UserName=name)
    iam.delete_service_specific_credential(UserName=name, ServiceSpecificCredentialId=made)
    iam.tag_user(UserName=name, Tags=[{"Key": "a", "Value": "b"}])
    iam.update_user(UserName=name, NewPath="/elsewhere/")
    assert iam.get_user(UserName=name)["User"]["Tags"] == [{"Key": "a", "Value": "b"}]
    iam.delete_user(UserName=name)


@pytest.mark.parametrize("form", ["{name}", "arn:aws:logs:us-east-1:123456789012:log-group:{name}"])
def test_a_log_group_by_its_identifier(embedded_aws: EmbeddedAws, form: str) -> None:
    """As `aws logs tail` gives it."""
    logs, name = embedded_aws.client("logs"), f"/{unique('group')}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="a/b")
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName=name, logStreamName="a/b", logEvents=[{"timestamp": now, "message": "hello"}])
    by = {"logGroupIdentifier": form.format(name=name)}
    answer = logs.filter_log_events(**by, startTime=now - 1000, interleaved=True)
    assert [event["message"] for event in answer["events"]] == ["hello"]
    assert [stream["logStreamName"] for stream in logs.describe_log_streams(**by)["logStreams"]] == ["a/b"]
    assert len(logs.get_log_events(**by, logStreamName="a/b", startFromHead=True)["events"]) == 1
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.filter_log_events(logGroupIdentifier=f"{name}-other")


@pytest.mark.any_request
def test_the_identifier_of_a_log_group_has_no_star_at_its_end(embedded_aws: EmbeddedAws) -> None:
    """ "Don't include an * at the end": FilterLogEvents of the API reference."""
    with pytest.raises(ClientError, match=r"InvalidParameterException.*regular expression"):
        embedded_aws.client("logs").filter_log_events(
            logGroupIdentifier="arn:aws:logs:us-east-1:123456789012:log-group:/x:*"
        )


def test_a_shell_in_a_task_is_refused_as_aws_refuses_it(embedded_aws: EmbeddedAws) -> None:
    ecs = embedded_aws.client("ecs")
    family = embedded_aws.register(embedded_aws.container(embedded_aws.put_image({}, cmd=["sleep", "60"])))
    plain, open_ = (embedded_aws.launch(family, enableExecuteCommand=enabled) for enabled in (False, True))
    for arn in (plain, open_):
        embedded_aws.in_status(arn, "RUNNING")
    shell = {"command": "sh", "interactive": True}
    with pytest.raises(ClientError, match="execute command was not enabled") as refused:
        ecs.execute_command(cluster=embedded_aws.cluster(), task=plain, **shell)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    with pytest.raises(ClientError, match="TargetNotConnectedException"):
        ecs.execute_command(cluster=embedded_aws.cluster(), task=open_, **shell)
    with pytest.raises(ClientError, match="The referenced task was not found"):
        ecs.execute_command(cluster=embedded_aws.cluster(), task="0" * 32, **shell)
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.execute_command(cluster="nowhere", task=plain, **shell)
    for arn in (plain, open_):
        ecs.stop_task(cluster=embedded_aws.cluster(), task=arn)


def test_the_tagging_api_sees_services(embedded_aws: EmbeddedAws) -> None:
    ecs, name, tag = embedded_aws.client("ecs"), unique("service"), unique("tag")
    family = embedded_aws.register(embedded_aws.container(embedded_aws.put_image({}, cmd=["true"])))
    network = {"awsvpcConfiguration": {"subnets": [embedded_aws.subnet()], "assignPublicIp": "ENABLED"}}
    ecs.create_cluster(clusterName=name)
    arn = ecs.create_service(
        cluster=name, serviceName=name, taskDefinition=family, desiredCount=0, networkConfiguration=network,
        launchType="FARGATE", tags=[{"key": "of", "value": tag}],
    )["service"]["serviceArn"]  # fmt: skip
    tagging = embedded_aws.client("resourcegroupstaggingapi")
    mappings = tagging.get_resources(TagFilters=[{"Key": "of", "Values": [tag]}])["ResourceTagMappingList"]
    assert [mapping["ResourceARN"] for mapping in mappings] == [arn]
    assert "of" in tagging.get_tag_keys()["TagKeys"]
    ecs.delete_service(cluster=name, service=name, force=True)
