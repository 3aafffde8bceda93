"""S3, EC2 and Logs as AWS has them, where moto alone differs."""

from __future__ import annotations

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
