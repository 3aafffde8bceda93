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
