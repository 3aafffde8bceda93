"""Samples of IAM's kinds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

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
        "changes": {"document": document("s3:*"), "description": "b", "path": "/ours/", "tags": OTHER_TAGS},
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
            "path": "/ours/",
            "boundary": READ_ONLY,
            "max_session_duration": 7200,
            **IDENTITY,
        },
    }


def certificate() -> str:
    """One that signs itself, as IAM takes it for a user."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "theirs")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def credentials(lab: LabHandle, name: str) -> None:
    """Three more ways in which a user can prove itself, and a device for the second factor."""
    iam = lab.client("iam")
    iam.upload_ssh_public_key(UserName=name, SSHPublicKeyBody="ssh-rsa AAAA theirs")
    iam.upload_signing_certificate(UserName=name, CertificateBody=certificate())
    iam.create_service_specific_credential(UserName=name, ServiceName="codecommit.amazonaws.com")
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/theirs"
    if not iam.list_mfa_devices(UserName=name)["MFADevices"]:
        iam.enable_mfa_device(
            UserName=name, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )


def switched_off(lab: LabHandle, name: str, parameter: str) -> None:
    """A key that is stored, and inactive."""
    key = lab.client("iam").create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    stored = {"Value": "secret", "Type": "SecureString", "Description": key, "Overwrite": True}
    lab.client("ssm").put_parameter(Name=parameter, **stored)
    lab.client("iam").update_access_key(UserName=name, AccessKeyId=key, Status="Inactive")


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
        "changes": {"access_keys": (CURRENT,), "groups": ("two",), "path": "/ours/", "boundary": READ_ONLY, **IDENTITY},
        "outside": {
            "inactive_key": lambda lab: switched_off(lab, "sample", "/sample/key"),
            "access_keys": lambda lab: iam.create_access_key(UserName="sample"),
            "console_password": lambda lab: iam.create_login_profile(UserName="sample", Password="S3cret-enough!"),
            "attached": lambda lab: credentials(lab, "sample"),
        },
    }


def instance_profile(lab: LabHandle, folder: Path) -> dict[str, Any]:
    iam = lab.client("iam")
    for name in ("one", "two"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com").text())
    return {"base": {"role": "one"}, "changes": {"role": "two", "tags": OTHER_TAGS}}
