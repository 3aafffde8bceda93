"""What can't be there isn't asked for where that costs no round trip, and nothing is missed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.kinds import Bucket, BucketSpec, User, UserSpec
from reconciler.kinds.iam_user import CURRENT
from tests import sessions
from tests.lab_client import CREDENTIALS, LabHandle

TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture
def aws(lab: LabHandle) -> Aws:
    return Aws("us-east-1", session=sessions.kept(*CREDENTIALS.values()), endpoint_url=lab.url, read_only=True)


def asked(lab: LabHandle) -> Counter[str]:
    return Counter(str(row["op"]) for row in lab.log())


@pytest.mark.parametrize(
    ("there", "wanted", "requests"), [(False, False, 8), (False, True, 9), (True, False, 9), (True, True, 9)]
)
def test_replication_is_asked_for_where_there_are_versions(
    there: bool, wanted: bool, requests: int, aws: Aws, lab: LabHandle
) -> None:
    s3 = lab.client("s3")
    for name in ("demo", "theirs"):
        s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced")
        if there:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if there:
        role = lab.client("iam").create_role(RoleName="copies", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        rule: dict[str, Any] = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::theirs"}}
        s3.put_bucket_replication(Bucket="demo", ReplicationConfiguration={"Role": role["Arn"], "Rules": [rule]})
    lab.zero()
    observed = Bucket().observe(aws, [BucketSpec(name="demo", versioning=wanted)])["demo"]
    assert sum(asked(lab).values()) == requests
    assert observed.spec.attached == (("replication arn:aws:s3:::theirs",) if there else ())


@pytest.mark.parametrize("keys", [(), (CURRENT,)])
def test_a_user_that_is_not_there_is_asked_for_at_once(keys: tuple[str, ...], aws: Aws, lab: LabHandle) -> None:
    """One round trip, as for a user that is there: no question waits for another's answer."""
    lab.zero()
    assert User().observe(aws, [UserSpec(name="nobody", access_keys=keys, key_parameter="/x")]) == {}
    assert asked(lab) == dict.fromkeys(
        ("ListAccessKeys", "GetLoginProfile", "ListSSHPublicKeys", "ListSigningCertificates",
         "ListServiceSpecificCredentials", *(["DescribeParameters"] if keys else [])), 1,
    )  # fmt: skip
