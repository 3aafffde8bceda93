"""The rules for names in AWS: each refuses what AWS would refuse, says the rule, and suggests a name that is right.

Sources: botocore's service models (IAM, ECR, CloudWatch Logs), the API references of ECS and EC2, S3's bucket naming
rules. Where we are stricter than AWS, a comment says why.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.config.base import bad
from reconciler.config.fargate import nearest

Check = Callable[[str], str | None]


@dataclass(frozen=True)
class Rule:
    """An annotation that holds a text to a rule; `pattern` must also be a regular expression in JavaScript."""

    what: str
    rule: str
    pattern: str
    suggest: Check
    longest: int = 0
    also: Check = lambda _: None  # what a pattern can't say: gives the reason for which a text is refused

    def problem(self, value: str) -> str | None:
        """Why `value` is refused; None if it is right."""
        if self.longest and len(value) > self.longest:
            return f"it has {len(value)} characters, and at most {self.longest} are allowed"
        if re.fullmatch(self.pattern, value, re.ASCII) is None:
            return self.rule
        return self.also(value)

    def check(self, value: str) -> str:
        """`value`; a PydanticCustomError with the rule and a suggestion if it is refused."""
        reason = self.problem(value)
        if reason is None:
            return value
        better = self.suggest(value)
        fix = f"for instance {better}" if better and self.problem(better) is None and better != value else ""
        raise bad(f"{{value}} is not {self.what}: {reason}", fix)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        limit = {"maxLength": self.longest} if self.longest else {}
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"} | limit


def _only(allowed: str, value: str, *, lower: bool = False, start: str = "x") -> str:
    """`value` with what isn't in the character class `allowed` made a hyphen; `start` is what it may begin with."""
    text = value.strip().lower() if lower else value.strip()
    text = re.sub(f"[^{allowed}]+", "-", text).strip("-")
    return text if re.match(r"[A-Za-z0-9]", text) else f"{start}-{text}".rstrip("-")


def _like(allowed: str, longest: int, *, lower: bool = False) -> Check:
    return lambda value: _only(allowed, value, lower=lower)[:longest].rstrip("-")


def _suggest_deploy(value: str) -> str:
    text = re.sub(r"-{2,}", "-", _only("a-z0-9-", value, lower=True))
    text = text if text[:1].isalpha() and not text.startswith("sg-") else f"ml-{text}"
    return text[:40].rstrip("-")


# Stricter than any single service: every default name is made from it, the longest being NAME-task-execution-role
# (64 for a role), NAME-data-ACCOUNT (63 and lower case for a bucket); a security group may not start with sg-.
DEPLOY = Rule(
    "a name for a deploy",
    "2 to 40 lower-case letters, digits and single hyphens, beginning with a letter and not with sg-",
    r"(?!sg-)[a-z][a-z0-9]*(?:-[a-z0-9]+)*",
    _suggest_deploy,
    40,
    lambda v: "it needs at least 2 characters" if len(v) < 2 else None,
)


def _bucket(value: str) -> str | None:
    if ".." in value:
        return "two dots in a row are not allowed"
    for prefix in ("xn--", "sthree-", "amzn-s3-demo-"):
        if value.startswith(prefix):
            return f"S3 keeps names beginning with {prefix} for itself"
    for suffix in ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"):
        if value.endswith(suffix):
            return f"S3 keeps names ending in {suffix} for itself"
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return None
    return "it looks like an IP address"


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
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    _suggest_bucket,
    63,
    _bucket,
)


def _path(value: str) -> str:
    text = re.sub(r"^(?:s3://[^/]*|arn:aws:s3:::[^/]*)", "", value.strip()).lstrip("/")
    return f"{text}*" if text.endswith("/") else text


def _key_bytes(value: str) -> str | None:
    size = len(value.encode("utf-8", "surrogatepass"))
    return f"it has {size} bytes, and at most 1024 are allowed" if size > 1024 else None


# Stricter than S3, which takes any text: a leading / or s3:// is always a mistake, . and .. break most tools, and
# * ? ${ would mean something else in the policy that lets the task read this key.
OBJECT_KEY = Rule(
    "a key in the bucket",
    "write it without s3://BUCKET/, without a / at either end, without . or .. between slashes, and without * ? ${",
    r"(?!/|s3:|arn:)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*\$\{)[^*?\x00-\x1f\x7f]*[^*?/\x00-\x1f\x7f]",
    lambda v: re.sub(r"[*?]|\$\{|(?<![^/])\.{1,2}(?:/|$)", "", _path(v)).rstrip("/"),
    also=_key_bytes,
)
# A path that ends in / matches only the empty "folder" object, never what is in it.
BUCKET_PATH = Rule(
    "a path in the bucket",
    "write it without s3://BUCKET/ and without a / at either end; * stands for anything",
    r"(?!/|s3:|arn:)[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]",
    lambda v: _path(v),
    also=_key_bytes,
)
REPOSITORY = Rule(
    "a name for an ECR repository",
    "2 to 256 lower-case letters and digits, with single . _ or / or hyphens between them",
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
    lambda v: re.sub(r"[^a-z0-9/]+", "-", v.strip().lower()).strip("-/")[:256],
    256,
    lambda v: "it needs at least 2 characters" if len(v) < 2 else None,
)
IMAGE_TAG = Rule(
    "an image tag",
    "at most 128 letters, digits, _ . and -, beginning with a letter, a digit or _",
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    _like("A-Za-z0-9_.-", 128),
    128,
)


def _suggest_uri(value: str) -> str:
    text = re.sub(r"^[a-z]+://", "", value.strip())
    registry, slash, rest = text.partition("/")
    name, colon, tag = rest.rpartition(":") if ":" in rest else (rest, "", "")
    return f"{registry.lower()}{slash}{name.lower()}{colon}{tag}"


IMAGE_URI = Rule(
    "the address of an image",
    "write [REGISTRY/]NAME[:TAG] or [REGISTRY/]NAME@sha256:..., the name in lower case, without https://",
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    _suggest_uri,
)


def _iam(what: str, longest: int) -> Rule:
    return Rule(
        what,
        f"1 to {longest} letters, digits and + = , . @ _ -",
        r"[A-Za-z0-9_+=,.@-]+",
        lambda v: _only("A-Za-z0-9_+=,.@-", v.strip().rsplit("/", 1)[-1])[:longest].rstrip("-"),
        longest,
    )


ROLE = _iam("a name for an IAM role", 64)
USER = _iam("a name for an IAM user", 64)
POLICY = _iam("a name for an IAM policy", 128)
ECS = Rule("a name in ECS", "1 to 255 letters, digits, _ and -", r"[A-Za-z0-9_-]+", _like("A-Za-z0-9_-", 255), 255)
# Narrower than POSIX's "anything but =": what shells and every language's libraries can read.
ENV = Rule(
    "a name for an environment variable",
    "letters, digits and _, not beginning with a digit",
    r"[A-Za-z_][A-Za-z0-9_]*",
    lambda v: re.sub(r"^(?=[0-9])", "_", re.sub(r"[^A-Za-z0-9_]+", "_", v.strip())),
    also=lambda v: (
        "credentials don't belong here, where they can be read; the task role gives the program its own"
        if v in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        else None
    ),
)


def _suggest_secret(value: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_./-]+", "-", value).strip("/-") or "NAME"
    return f"arn:aws:ssm:us-east-1:123456789012:parameter/{name}"


SECRET = Rule(
    "the ARN of a secret",
    "write the ARN of an SSM parameter or of a Secrets Manager secret",
    r"arn:aws[a-z-]*:(?:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9_.\/-]+"
    r"|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9\/_+=.@-]+(?::[^:]*:[^:]*:[^:]*)?)",
    _suggest_secret,
)
KMS_KEY = Rule(
    "the ARN of a KMS key",
    "write the ARN of a key or of an alias",
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key/(?:mrk-)?[0-9a-f-]+|alias/[A-Za-z0-9/_-]+)",
    lambda v: f"arn:aws:kms:us-east-1:123456789012:{v if v.startswith('alias/') else f'key/{v}'}",
)
LOG_GROUP = Rule(
    "a name for a log group",
    "1 to 512 letters, digits and . - _ / #, not beginning with aws/",
    r"(?!aws/)[A-Za-z0-9._/#-]+",
    lambda v: re.sub(r"^aws/", "/aws/", re.sub(r"[^A-Za-z0-9._/#-]+", "-", v.strip()))[:512],
    512,
)
_EC2_TEXT = r"A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*"
SECURITY_GROUP = Rule(
    "a name for a security group",
    "1 to 255 letters, digits, spaces and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *, but not default or sg-...",
    rf"(?![sS][gG]-)(?!default$)[{_EC2_TEXT}]+",
    lambda v: re.sub(f"[^{_EC2_TEXT}]+", "-", v if not re.match("sg-|default$", v, re.I) else f"my-{v}").strip("-")[
        :255
    ],
    255,
)
SECURITY_GROUP_TEXT = Rule(
    "a description of a security group",
    "1 to 255 letters, digits, spaces and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *",
    rf"[{_EC2_TEXT}]+",
    lambda v: re.sub(f"[^{_EC2_TEXT}]+", "-", v.strip()).strip("-")[:255],
    255,
)
VPC = Rule(
    "a VPC",
    "write `default` or an id: vpc- and 8 or 17 hexadecimal digits",
    r"default|vpc-(?:[0-9a-f]{8}|[0-9a-f]{17})",
    lambda v: v.strip().lower() or "default",
)
SUBNET = Rule(
    "a subnet's id",
    "subnet- and 8 or 17 hexadecimal digits",
    r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})",
    lambda v: v.strip().lower(),
)
GITHUB = Rule(
    "a repository on GitHub",
    "write OWNER/NAME",
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}",
    lambda v: (
        re.sub(r"^(?:https?://|git@|ssh://git@)?(?:www\.)?github\.com[:/]", "", v.strip())
        .removesuffix("/")
        .removesuffix(".git")
    ),
)
# git-check-ref-format; * would also let every branch assume the role.
BRANCH = Rule(
    "the name of a branch",
    "a branch as git writes it, without refs/heads/, spaces, .. and ~ ^ : ? * [ \\",
    r"(?!/|refs/heads/|-)(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$|/\.))[^\x00-\x20\x7f~^:?*\[\\]+",
    lambda v: re.sub(r"[\s~^:?*\[\\]+", "-", v.strip().removeprefix("refs/heads/")).strip("-/."),
)
_DIRECTIONS = "north|south|east|west|central|northeast|northwest|southeast|southwest"
# By its form and not by a list, which would refuse the region that opened yesterday.
REGION = Rule(
    "an AWS region",
    "regions are written like us-east-1 or eu-central-1",
    rf"[a-z]{{2,4}}(?:-(?:gov|iso[a-z]?|de))?-(?:{_DIRECTIONS})-[1-9]",
    lambda v: _suggest_region(v),
)


def _suggest_region(value: str) -> str | None:
    text = value.strip().lower().replace("_", "-").replace(" ", "-")
    if re.fullmatch(REGION.pattern + "[a-f]", text):  # an availability zone
        return text[:-1]
    match = re.fullmatch(r"([a-z]{2})-?([a-z]+)-?([1-9])", text)
    if match is None:
        return "us-east-1"
    import difflib

    near = difflib.get_close_matches(match[2], _DIRECTIONS.split("|"), 1)
    return f"{match[1]}-{near[0]}-{match[3]}" if near else "us-east-1"


def _suggest_account(value: str) -> str | None:
    digits = re.sub(r"[^0-9]", "", value)
    return digits.zfill(12) if 10 <= len(digits) <= 12 else "123456789012"


ACCOUNT = Rule("an AWS account", "an account id has 12 digits", r"[0-9]{12}", _suggest_account)
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def _retention(days: int) -> int:
    if days not in RETENTION_DAYS:
        near = " or ".join(str(n) for n in nearest(days, RETENTION_DAYS))
        raise bad("{value} is not a number of days that CloudWatch Logs has", f"use {near}, or null for ever")
    return days


RETENTION = AfterValidator(_retention)


def _tag(longest: int) -> Check:
    def check(value: str) -> str | None:
        if any(not (c.isalnum() or c in " _.:/=+-@") for c in value):
            return "only letters, digits, spaces and _ . : / = + - @ are allowed"
        if value.lower().startswith(("aws:", "reconciler:")):
            return "what begins with aws: or reconciler: is reserved"
        return f"it has {len(value)} characters, and at most {longest} are allowed" if len(value) > longest else None

    return check


def _suggest_tag(value: str) -> str:
    text = re.sub(r"^(?:aws|reconciler):", "", value.strip(), flags=re.IGNORECASE)
    return "".join(c if c.isalnum() or c in " _.:/=+-@" else "-" for c in text)[:128]


TAG_KEY = Rule("a key for a tag", "at least one character", r".+", _suggest_tag, also=_tag(128))
TAG_VALUE = Rule("a value for a tag", "one line of text", r".*", _suggest_tag, also=_tag(256))
