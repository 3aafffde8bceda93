"""The rules for buckets, and for keys and paths in them."""

from __future__ import annotations

import re

from reconciler.config.rule import Rule


def _bucket(value: str) -> str | None:
    if ".." in value:
        return "two dots in a row are not allowed"
    for prefix in ("xn--", "sthree-", "amzn-s3-demo-"):
        if value.startswith(prefix):
            return f"S3 keeps names beginning with {prefix} for itself"
    for suffix in ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"):
        if value.endswith(suffix):
            return f"S3 keeps names ending in {suffix} for itself"
    return "it looks like an IP address" if re.fullmatch(r"(?:[0-9]+\.){3}[0-9]+", value) else None


def _suggest_bucket(value: str) -> str:
    text = value.strip().lower().removeprefix("s3://").removeprefix("arn:aws:s3:::").split("/")[0]
    for prefix in ("xn--", "sthree-", "amzn-s3-demo-"):
        text = text.removeprefix(prefix)
    for suffix in ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"):
        text = text.removesuffix(suffix)
    text = re.sub(r"[^a-z0-9.-]+", "-", text).replace(".", "-").strip("-")
    return (f"my-{text}-data" if len(text) < 3 else text)[:63].strip("-")


BUCKET = Rule(
    "a name for an S3 bucket",
    "3 to 63 lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit",
    r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*\.\.)(?!.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)"
    r"(?!(?:[0-9]+\.){3}[0-9]+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    _suggest_bucket,
    63,
    _bucket,
)


def _path(value: str) -> str:
    text = re.sub(r"^(?:s3://[^/]*|arn:aws:s3:::[^/]*)", "", value.strip()).lstrip("/")
    text = re.sub(r"[^\x20-\x7e\xa0-\xff]", "-", text)
    return f"{text}*" if text.endswith("/") else text


def _key(value: str) -> str:
    return re.sub(r"[*?]|\$\{|(?<![^/])\.{1,2}(?:/|$)", "", _path(value)).rstrip("/")


def _key_bytes(value: str) -> str | None:
    size = len(value.encode("utf-8", "surrogatepass"))
    return f"it has {size} bytes, and at most 1024 are allowed" if size > 1024 else None


# Both are stricter than S3, which takes any text: a leading / or s3:// is always a mistake, . and .. break most tools,
# policies can't name what is beyond Latin-1, and in the policy that lets the task read a key, * ? ${ have a meaning.
OBJECT_KEY = Rule(
    "a key in the bucket",
    "write it without s3://BUCKET/, without a / at either end or . or .. between two, without * ? ${, in Latin-1",
    r"(?!/|s3:|arn:)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*\$\{)(?!.*[*?])(?!.*/$)[\x20-\x7e\xa0-\xff]+",
    _key,
    also=_key_bytes,
)
# A path that ends in / matches only the empty "folder" object, never what is in it.
BUCKET_PATH = Rule(
    "a path in the bucket",
    "write it without s3://BUCKET/ and without a / at either end, in Latin-1; * stands for anything",
    r"(?!/|s3:|arn:)(?!.*/$)[\x20-\x7e\xa0-\xff]+",
    _path,
    also=_key_bytes,
)
