"""The rules for buckets, and for keys and paths in them."""

from __future__ import annotations

import re

from reconciler.config.rule import TextRule
from reconciler.core import aws_names
from reconciler.core.aws_names import ACCOUNT_REGIONAL, ACCOUNT_REGIONAL_NAME, BUCKET_PREFIXES, BUCKET_SUFFIXES
from reconciler.core.limits import OBJECT_KEY as OBJECT_KEY_SIZE


def _bucket(value: str) -> str | None:
    if ".." in value:
        return "two dots in a row are not allowed"
    for prefix in BUCKET_PREFIXES:
        if value.startswith(prefix):
            return f"S3 keeps names beginning with {prefix} for itself"
    for suffix in BUCKET_SUFFIXES:
        if value.endswith(suffix):
            return f"S3 keeps names ending in {suffix} for itself"
    if value.endswith(ACCOUNT_REGIONAL) and not ACCOUNT_REGIONAL_NAME.search(value):
        return f"only a bucket of an account's own namespace ends in {ACCOUNT_REGIONAL}: NAME-ACCOUNT-REGION-an"
    return "it looks like an IP address" if re.fullmatch(r"(?:[0-9]+\.){3}[0-9]+", value) else None


def _suggest_bucket(value: str) -> str:
    text = re.sub(r"^(?:s3://|arn:aws[a-z-]*:s3:::)", "", value.strip().lower()).split("/")[0]
    for prefix in BUCKET_PREFIXES:
        text = text.removeprefix(prefix)
    for suffix in BUCKET_SUFFIXES:
        text = text.removesuffix(suffix)
    text = text if ACCOUNT_REGIONAL_NAME.search(text) else text.removesuffix(ACCOUNT_REGIONAL)
    text = re.sub(r"[^a-z0-9.-]+", "-", text).replace(".", "-").strip("-")
    return (f"my-{text}-data" if len(text) < 3 else text)[:63].strip("-")


def default_bucket(deploy: str, account: str) -> str:
    """The bucket of a deploy that names none."""
    return f"{deploy}-data-{account}"


BUCKET = TextRule.of(aws_names.BUCKET, _suggest_bucket, _bucket)


def _path(value: str) -> str:
    text = re.sub(r"^(?:s3://[^/]*|arn:aws[a-z-]*:s3:::[^/]*)", "", value.strip()).lstrip("/")
    text = re.sub(r"[^\x20-\x7e\xa0-\xff]", "-", text)
    return f"{text}*" if text.endswith("/") else text


def _key(value: str) -> str:
    return re.sub(r"[*?]|\$\{|(?<![^/])\.{1,2}(?:/|$)", "", _path(value)).rstrip("/")


def _key_bytes(value: str) -> str | None:
    size = len(value.encode("utf-8", "surrogatepass"))
    most = OBJECT_KEY_SIZE.most
    return f"it has {size} bytes, and at most {most} are allowed" if size > most else None


# Both are stricter than S3, which takes any text: a leading / or s3:// is always a mistake, . and .. break most tools,
# policies can't name what is beyond Latin-1, and in the policy that lets the task read a key, * ? ${ have a meaning.
OBJECT_KEY = TextRule(
    "a key in the bucket",
    "write it without s3://BUCKET/, without a / at either end or . or .. between two, without * ? ${, in Latin-1",
    r"(?!/|s3:|arn:)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*\$\{)(?!.*[*?])(?!.*/$)[\x20-\x7e\xa0-\xff]+",
    _key,
    also=_key_bytes,
)
# A path that ends in / matches only the empty "folder" object, never what is in it.
BUCKET_PATH = TextRule(
    "a path in the bucket",
    "write it without s3://BUCKET/ and without a / at either end, in Latin-1; * stands for anything",
    r"(?!/|s3:|arn:)(?!.*/$)[\x20-\x7e\xa0-\xff]+",
    _path,
    also=_key_bytes,
)
