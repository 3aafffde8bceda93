"""Samples of IAM's kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.kinds.iam_user import CURRENT
from tests.kinds.sample import EXECUTION, IDENTITY, OTHER_TAGS, READ_ONLY, document, trust
from tests.lab_client import ACCOUNT, LabHandle


def oidc_provider(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {
        "base": {"name": "token.example.com", "audiences": ("one",)},
        "changes": {"audiences": ("one", "two"), "tags": OTHER_TAGS},
    }


def iam_policy(lab: LabHandle, folder: Path) -> dict[str, Any]:
    iam, arn = lab.client("iam"), f"arn:aws:iam::{ACCOUNT}:policy/sample"
    iam.create_role(RoleName="one", AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com").text())
    iam.create_user(UserName="one")
    iam.create_group(GroupName="one")

    def version_and_users(lab: LabHandle) -> None:
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("s3:Put*").text(), SetAsDefault=True)
        iam.attach_role_policy(RoleName="one", PolicyArn=arn)
        iam.attach_user_policy(UserName="one", PolicyArn=arn)
        iam.attach_group_policy(GroupName="one", PolicyArn=arn)

    return {
        "base": {"document": document(), "description": "a"},
        "changes": {"document": document("s3:*"), "description": "b", "tags": OTHER_TAGS},
        "outside": {"document": version_and_users},
    }


def role(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {
        "base": {
            "trust": trust("ecs-tasks.amazonaws.com"),
            "managed_policies": (EXECUTION,),
            "inline_policies": {"one": document(), "two": document()},
        },
        "changes": {
            "trust": trust("scheduler.amazonaws.com"),
            "description": "for training",
            "boundary": READ_ONLY,
            "max_session_duration": 7200,
            **IDENTITY,
        },
    }


def user(lab: LabHandle, folder: Path) -> dict[str, Any]:
    iam = lab.client("iam")
    for group in ("one", "two"):
        iam.create_group(GroupName=group)
    return {
        "base": {
            "managed_policies": (EXECUTION,),
            "inline_policies": {"one": document(), "two": document()},
            "groups": ("one",),
            "key_parameter": "/sample/key",
        },
        "changes": {"access_keys": (CURRENT,), "groups": ("two",), **IDENTITY},
        "outside": {
            "access_keys": lambda lab: iam.create_access_key(UserName="sample"),
            "console_password": lambda lab: iam.create_login_profile(UserName="sample", Password="S3cret-enough!"),
        },
    }
