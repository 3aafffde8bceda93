"""Which customer's key encrypts something, and what using it takes, as S3, SSM and Secrets Manager ask KMS for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from moto.backends import get_backend
from moto.utilities.utils import get_partition

DECRYPT, DATA_KEY = "kms:Decrypt", "kms:GenerateDataKey"
AWS_MANAGED = "alias/aws/"


class Use(NamedTuple):
    """One permission to use a key."""

    action: str
    arn: str
    context: dict[str, Any]


def uses(key_id: str | None, service: str, account: str, region: str, *actions: str) -> list[Use]:
    """What using a key (its id, ARN or alias) through a service takes; nothing for one that AWS manages."""
    name = (key_id or "").rpartition(":")[2]
    if not key_id or name.startswith(AWS_MANAGED):
        return []
    key = _key(name, account, region)
    default_arn = f"arn:{get_partition(region)}:kms:{region}:{account}:key/{key_id}"
    arn = str(key.arn) if key else key_id if ":" in key_id else default_arn
    context: dict[str, Any] = {"kms:viaservice": f"{service}.{region}.amazonaws.com"}
    if key:
        context["kms:resourcealiases"] = tuple(key.aliases)
    return [Use(action, arn, context) for action in actions]


def _key(name: str, account: str, region: str) -> Any:
    keys = _backend("kms", account, region).keys
    if name.startswith("alias/"):
        return next((key for key in keys.values() if name in key.aliases), None)
    return keys.get(name.removeprefix("key/"))


def of_bucket(account: str, region: str, bucket: str) -> str | None:
    """The key of a bucket's new objects."""
    s3_bucket = _backend("s3", account, get_partition(region)).buckets.get(bucket)
    rule = ((s3_bucket.encryption if s3_bucket is not None else None) or {}).get("Rule") or {}
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    return default.get("KMSMasterKeyID") if default.get("SSEAlgorithm") == "aws:kms" else None


def of_object(account: str, region: str, bucket: str, key: str) -> str | None:
    """The key of an object; None too where there is no such object."""
    s3_bucket = _backend("s3", account, get_partition(region)).buckets.get(bucket)
    s3_object = s3_bucket.keys.get(key) if s3_bucket is not None else None
    return s3_object.kms_key_id if s3_object is not None and s3_object.encryption == "aws:kms" else None


def of_parameter(account: str, region: str, name: str) -> str | None:
    """The key of a SecureString."""
    parameters = _backend("ssm", account, region)._parameters
    versions = parameters.get(name) or parameters.get(name.lstrip("/")) or ()
    return versions[-1].keyid if versions and versions[-1].parameter_type == "SecureString" else None


def secret_arn(source: str) -> str:
    """The whole ARN of the secret that has this one, which may lack its last six characters."""
    region, account = source.split(":")[3:5]
    secrets = _backend("secretsmanager", account, region).secrets
    return str(secrets[source].arn) if source in secrets else source


def of_secret(account: str, region: str, name: str) -> str | None:
    """The key of a secret, by its name or ARN."""
    secrets = _backend("secretsmanager", account, region).secrets
    return secrets[name].kms_key_id if name in secrets else None


def _backend(service: str, account: str, region: str) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]
    return backends[account][region]
