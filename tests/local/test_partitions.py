"""In a region of another partition tasks get that partition's roles, and whoever asks is held to its policies."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local_fixtures import EmbeddedAws, unique
from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session

PLACES = [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]


@pytest.mark.parametrize(("region", "partition"), PLACES)
def test_a_role_is_taken_and_held_to_its_policies(embedded_aws: EmbeddedAws, region: str, partition: str) -> None:
    def client(service: str, keys: tuple[str, ...] = ()) -> Any:
        session = boto3.session.Session(*keys) if keys else embedded_aws.session
        return session.client(service, region_name=region, endpoint_url=embedded_aws.endpoint_url)

    name, bucket = unique("role"), unique("bucket")
    client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    iam = client("iam")
    account = client("sts").get_caller_identity()["Account"]
    everybody = {"AWS": f"arn:{partition}:iam::{account}:root"}
    trust = {"Effect": "Allow", "Principal": everybody, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    assert role == f"arn:{partition}:iam::{account}:role/{name}"
    read = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:{partition}:s3:::{bucket}/may/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    iam.put_role_policy(RoleName=name, PolicyName="a", PolicyDocument=document)
    given = client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    s3 = client("s3", (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]))
    s3.put_object(Bucket=bucket, Key="may/a", Body=b"1")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="not/a", Body=b"1")
    message = refused.value.response["Error"]["Message"]
    assert f"arn:{partition}:sts::{account}:assumed-role/{name}/" in message
    assert f'"arn:{partition}:s3:::{bucket}/not/a"' in message
