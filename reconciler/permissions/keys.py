"""How a policy names a KMS key, and what using one takes. Pure.

S3, SSM and Secrets Manager use a customer's key in the name of whoever asks them, who needs the right to it.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.aws.regions import COMMERCIAL, partition_of
from reconciler.core.canonical import allow
from reconciler.core.needs import Condition

DECRYPT, DATA_KEY = "kms:Decrypt", "kms:GenerateDataKey"
WRITE = (DATA_KEY, DECRYPT)  # what is put in parts is also decrypted
ALIASES = "kms:ResourceAliases"


def named(key: str) -> tuple[str, Condition]:
    """(resource, condition) for the ARN of a key or of an alias, which is no resource to IAM."""
    base, alias, name = key.partition(":alias/")
    if not alias:
        return key, {}
    return f"{base}:key/*", {"ForAnyValue:StringEquals": {ALIASES: [f"alias/{name}"]}}


def through(service: str, region: str) -> Condition:
    """That a service uses it in somebody's name. Which of the two names it has in China AWS says nowhere."""
    names = {f"{service}.{region}.{domain}": None for domain in (COMMERCIAL.domain, partition_of(region).domain)}
    return {"StringEquals": {"kms:ViaService": next(iter(names)) if len(names) == 1 else [*names]}}


def use(key: str, actions: Iterable[str], via: Condition, sid: str = "Key") -> dict[str, Any]:
    """The statement that lets a key be used for these actions through a service."""
    resource, condition = named(key)
    return allow(sid, list(actions), resource, {**via, **condition})
