"""The rules for names in AWS: each refuses what AWS would refuse, says the rule, and suggests a name that is right.

Sources: `core.aws_names`, and for IAM, ECR, CloudWatch Logs and Scheduler AWS's service models, which the tests hold
these to. Where we are stricter than AWS, a comment says why.
"""

from __future__ import annotations

import difflib
import re

from pydantic import AfterValidator

from reconciler.config.base import bad
from reconciler.config.rule import TextRule, like, only, plain
from reconciler.config.task_size import nearest
from reconciler.core import aws_names, limits
from reconciler.core.aws_names import (
    ACCOUNT_REGIONAL,
    ACCOUNT_REGIONAL_NAME,
    BUCKET_PREFIXES,
    BUCKET_SUFFIXES,
    RESERVED_TAGS,
    RETENTION_DAYS,
    TAG_SYMBOLS,
    tag_problem,
)
from reconciler.core.schedule import BadSchedule, parse


def _two_characters(value: str) -> str | None:
    return "it needs at least 2 characters" if len(value) < 2 else None


def _suggest_deploy(value: str) -> str:
    text = re.sub(r"-{2,}", "-", only("a-z0-9-", value.lower()))
    text = text if text[:1].isalpha() and not text.startswith("sg-") and text != "default" else f"ml-{text}"
    return text[:40].rstrip("-")


# Stricter than any single service: every default name is made from it, the longest being NAME-schedule-watcher-role
# (64 for a role), NAME-data-ACCOUNT (63 and lower case for a bucket); a security group may not start with sg-, and the
# one that is called default is the VPC's own.
DEPLOY = TextRule(
    "a name for a deploy",
    "2 to 40 lower-case letters, digits and single hyphens, beginning with a letter and not with sg-",
    r"(?!sg-|default$)(?=..)[a-z][a-z0-9]*(?:-[a-z0-9]+)*",
    _suggest_deploy,
    40,
    lambda v: "each VPC has a security group of that name" if v == "default" else _two_characters(v),
)


ENVIRONMENT = TextRule(
    "a name for an environment",
    "1 to 16 lower-case letters, digits and single hyphens, beginning with a letter",
    r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*",
    lambda v: re.sub(r"-{2,}", "-", only("a-z0-9-", v.lower())).lstrip("0123456789-")[:16].rstrip("-"),
    16,
)
REPOSITORY = TextRule(
    "a name for an ECR repository",
    "2 to 256 lower-case letters and digits, with single . _ or / or hyphens between them",
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
    lambda v: re.sub(r"/{2,}", "/", re.sub(r"[^a-z0-9/]+", "-", plain(v).lower())).strip("-/")[:256],
    256,
    _two_characters,
)
TAG_PATTERN = TextRule(
    "a pattern of tags",
    "at most 128 letters, digits, _ . and -, with at most two * for any text",
    r"(?!(?:[^*]*\*){3})[A-Za-z0-9_.*-]+",
    like("A-Za-z0-9_.*-", 128),
    128,
)
IMAGE_TAG = TextRule.of(aws_names.IMAGE_TAG, like("A-Za-z0-9_.-", 128))


def _suggest_uri(value: str) -> str:
    text = re.sub(r"^[a-z]+://", "", value.strip())
    registry, slash, path = text.partition("/")
    name, colon, tag = path.rpartition(":") if ":" in path else (path, "", "")
    return f"{registry.lower()}{slash}{name.lower()}{colon}{tag}"


IMAGE_URI = TextRule(
    "the address of an image",
    "write [REGISTRY/]NAME[:TAG] or [REGISTRY/]NAME@sha256:..., the name in lower case, without https://",
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    _suggest_uri,
)


def _iam(subject: str, longest: int) -> TextRule:
    return TextRule(
        subject,
        f"1 to {longest} letters, digits and + = , . @ _ -",
        r"[A-Za-z0-9_+=,.@-]+",
        lambda v: only("A-Za-z0-9_+=,.@-", v.rstrip("/").rsplit("/", 1)[-1])[:longest].rstrip("-"),
        longest,
    )


ROLE = _iam("a name for an IAM role", 64)
USER = _iam("a name for an IAM user", 64)
POLICY = _iam("a name for an IAM policy", 128)
ACCESS_KEY = TextRule(
    "the id of an access key",
    "AKIA and 12 to 124 upper-case letters and digits (never the secret)",
    r"AKIA[A-Z0-9]{12,124}",
    lambda v: "AKIAIOSFODNN7EXAMPLE",
)
ECS = TextRule.of(aws_names.ECS, like("A-Za-z0-9_-", 255))
# Narrower than POSIX's "anything but =": what shells and every language's libraries can read.
ENV = TextRule(
    "an environment variable for the task",
    "letters, digits and _, not beginning with a digit",
    r"(?!AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)$)[A-Za-z_][A-Za-z0-9_]*",
    lambda v: re.sub(r"^(?=[0-9])", "_", re.sub(r"[^A-Za-z0-9_]+", "_", v.strip())),
    also=lambda v: (
        "leave credentials out, since others can read them here; the task role gives the program its own"
        if v in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        else None
    ),
)


def _suggest_secret(value: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_./-]+", "-", value).strip("/-") or "NAME"
    return f"arn:aws:ssm:us-east-1:123456789012:parameter/{name}"


SECRET = TextRule(
    "the ARN of a secret",
    "write the ARN of an SSM parameter or of a Secrets Manager secret",
    r"arn:aws[a-z-]*:(?:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9_.\/-]+"
    # With a ! those of AWS's services, such as rds!db-...
    r"|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9\/_+=.@!-]+(?::[^:]*:[^:]*:[^:]*)?)",
    _suggest_secret,
)
KMS_KEY = TextRule(
    "the ARN of a KMS key",
    "write the ARN of a key or of an alias",
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key/(?:mrk-)?[0-9a-f-]+|alias/[A-Za-z0-9/_-]+)",
    lambda v: f"arn:aws:kms:us-east-1:123456789012:{v if v.startswith('alias/') else f'key/{v}'}",
)


def _spaces(value: str) -> str | None:
    """AWS takes them away, so that what is there would never be as wanted."""
    return "it begins or ends with a space, which AWS removes" if value != value.strip(" ") else None


LOG_GROUP = TextRule(
    "a name for a log group",
    "1 to 512 letters, digits and . - _ /, not beginning with aws/",
    r"(?!aws/)[A-Za-z0-9._/-]+",
    lambda v: re.sub(r"^aws/", "/aws/", re.sub(r"[^A-Za-z0-9._/-]+", "-", v.strip()))[:512],
    512,
    # A log group may have it in its name, and no ARN by which its tags are read and put.
    lambda v: "AWS can't read its tags if the name has a #" if "#" in v else None,
)
# What IAM has in descriptions: ASCII, and the letters of western Europe.
IAM_TEXT = TextRule(
    "a description in IAM",
    "at most 1,000 characters of ASCII and of Latin-1, such as é and ü",
    r"[\t\n\r -~\u00a1-\u00ff]*",
    lambda v: re.sub(r"[^\t\n\r -~\u00a1-\u00ff]+", "-", v)[:1000],
    1000,
)
_OTHER = re.compile(f"[^{aws_names.EC2_TEXT}]+")
SECURITY_GROUP = TextRule.of(
    aws_names.SECURITY_GROUP,
    lambda v: _OTHER.sub("-", v if not re.match("sg-|default$", v, re.I) else f"my-{v}").strip("-")[:255].strip(),
    _spaces,
)
SECURITY_GROUP_TEXT = TextRule.of(
    aws_names.SECURITY_GROUP_TEXT, lambda v: _OTHER.sub("-", v.strip()).strip("-")[:255], _spaces
)
VPC = TextRule(
    "a VPC",
    "write `default` or an id: vpc- and 8 or 17 hexadecimal digits",
    r"default|vpc-(?:[0-9a-f]{8}|[0-9a-f]{17})",
    lambda v: v.strip().lower() or "default",
)
SUBNET = TextRule(
    "a subnet's id",
    "subnet- and 8 or 17 hexadecimal digits",
    r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})",
    lambda v: v.strip().lower(),
)


def _suggest_github(value: str) -> str:
    value = re.sub(r"@[0-9]+(?=/|$)", "", value.strip())
    path = re.sub(r"^(?:https?://|git@|ssh://git@)?(?:www\.)?github\.com[:/]", "", value.strip())
    return "/".join(path.split("/")[:2]).removesuffix(".git")


GITHUB = TextRule(
    "a repository on GitHub",
    "write OWNER/NAME",
    # With a _ accounts that a company manages, such as mona_octo:
    # https://docs.github.com/enterprise-cloud@latest/admin/concepts/identity-and-access-management/enterprise-managed-users
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}",
    _suggest_github,
)
_SLUG = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?"


def _suggest_gitlab(value: str) -> str:
    path = re.sub(r"^(?:https?://|(?:ssh://)?git@)?[^/:]*\.[^/:]*[:/]", "", value.strip())
    return path.strip("/").removesuffix(".git")


GITLAB = TextRule(
    "a project on GitLab",
    "write GROUP/PROJECT, with all subgroups between them",
    rf"(?:{_SLUG}/){{1,20}}{_SLUG}",
    _suggest_gitlab,
)
GITLAB_URL = TextRule(
    "the address of a GitLab server",
    "https:// and a host name; IAM takes no port and nothing after a ?",
    r"https://[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+(?:/[A-Za-z0-9._~-]+)*",
    lambda v: "https://" + re.sub(r"^[a-z]+://|[?#].*$|:[0-9]+(?=/|$)", "", v.strip().lower()).rstrip("/"),
)
GITHUB_ID = TextRule("an id of GitHub", "digits, as GitHub's API gives them", r"[1-9][0-9]{0,19}", lambda v: v.strip())
# git-check-ref-format; * would also let every branch assume the role.
BRANCH = TextRule(
    "the name of a branch",
    "a branch as git writes it, without refs/heads/, spaces, .. and ~ ^ : ? * [ \\",
    r"(?!/|refs/heads/|-)(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$|/\.))[^\x00-\x20\x7f~^:?*\[\\]+",
    lambda v: re.sub(r"[\s~^:?*\[\\]+", "-", v.strip().removeprefix("refs/heads/")).strip("-/."),
)
_DIRECTIONS = "north|south|east|west|central|northeast|northwest|southeast|southwest"
# By its form and not by a list, which would refuse the region that opened yesterday.
REGION = TextRule(
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
    same_letters = [d for d in _DIRECTIONS.split("|") if sorted(d) == sorted(match[2])]
    near = same_letters or difflib.get_close_matches(match[2], _DIRECTIONS.split("|"), 1)
    return f"{match[1]}-{near[0]}-{match[3]}" if near else "us-east-1"


def _suggest_account(value: str) -> str | None:
    digits = re.sub(r"[^0-9]", "", value)
    return digits.zfill(12) if 10 <= len(digits) <= 12 else "123456789012"


ACCOUNT = TextRule("an AWS account", "an account id has 12 digits", r"[0-9]{12}", _suggest_account)


def _retention(days: int) -> int:
    if days not in RETENTION_DAYS:
        near = " or ".join(str(n) for n in nearest(days, RETENTION_DAYS))
        raise bad("CloudWatch Logs can't keep lines for {value} days", f"use {near}, or null to keep them for ever")
    return days


RETENTION = AfterValidator(_retention)


def _tag(value: str) -> str | None:
    if reason := _spaces(value):
        return reason
    if reason := tag_problem(value):
        return reason
    if value.lower().startswith((RESERVED_TAGS, "reconciler:")):
        return "text that begins with aws: or reconciler: is reserved"
    return None


def _suggest_tag(value: str) -> str:
    text = re.sub(r"^(?:aws|reconciler):", "", value.strip(), flags=re.IGNORECASE)
    return "".join(c if c.isalnum() or c in TAG_SYMBOLS else "-" for c in text)[:128].strip()


_TAG_TEXT = r"(?:[A-Za-z0-9 _.:/=+@-]|[^\x00-\x7f])"
_RESERVED = r"(?!(?:[aA][wW][sS]|[rR][eE][cC][oO][nN][cC][iI][lL][eE][rR]):)"
TAG_KEY = TextRule(
    "a key for a tag",
    "at least one character",
    rf"{_RESERVED}(?! )(?!.* $){_TAG_TEXT}+",
    _suggest_tag,
    limits.TAG_KEY.most,
    _tag,
)
TAG_VALUE = TextRule(
    "a value for a tag",
    "one line of text",
    rf"{_RESERVED}(?! )(?!.* $){_TAG_TEXT}*",
    _suggest_tag,
    limits.TAG_VALUE.most,
    _tag,
)


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


def _suggest_path(value: str) -> str:
    text = re.sub(r"^(?:s3://[^/]*|arn:aws[a-z-]*:s3:::[^/]*)", "", value.strip()).lstrip("/")
    text = re.sub(r"[^\x20-\x7e\xa0-\xff]", "-", text)
    return f"{text}*" if text.endswith("/") else text


def _suggest_key(value: str) -> str:
    return re.sub(r"[*?]|\$\{|(?<![^/])\.{1,2}(?:/|$)", "", _suggest_path(value)).rstrip("/")


def _key_bytes(value: str) -> str | None:
    size = len(value.encode("utf-8", "surrogatepass"))
    most = limits.OBJECT_KEY.most
    return f"it has {size} bytes, and at most {most} are allowed" if size > most else None


# Both are stricter than S3, which takes any text: a leading / or s3:// is always a mistake, . and .. break most tools,
# policies can't name what is beyond Latin-1, and in the policy that lets the task read a key, * ? ${ have a meaning.
OBJECT_KEY = TextRule(
    "a key in the bucket",
    "write it without s3://BUCKET/, without a / at either end or . or .. between two, without * ? ${, in Latin-1",
    r"(?!/|s3:|arn:)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*\$\{)(?!.*[*?])(?!.*/$)[\x20-\x7e\xa0-\xff]+",
    _suggest_key,
    also=_key_bytes,
)
# A path that ends in / matches only the empty "folder" object, never what is in it.
BUCKET_PATH = TextRule(
    "a path in the bucket",
    "write it without s3://BUCKET/ and without a / at either end, in Latin-1; * stands for anything",
    r"(?!/|s3:|arn:)(?!.*/$)[\x20-\x7e\xa0-\xff]+",
    _suggest_path,
    also=_key_bytes,
)


# Of `notify` and `schedule`. Sources: botocore's service models (SNS, Scheduler), and EventBridge Scheduler's page on
# schedule types.


def _expression(value: str) -> str | None:
    """Why an expression is refused, where more than its form is wrong."""
    try:
        parse(value)
    except BadSchedule as wrong:
        return str(wrong) or None
    return None


def _suggest_expression(value: str) -> str:
    fields = value.strip().removeprefix("cron(").removesuffix(")").split()
    if len(fields) == 5:  # as the crontab of Unix has them, where Sunday is 0
        minute, hour, day, month, weekday = fields
        week = re.sub(r"\d", lambda m: str(int(m[0]) % 7 + 1), weekday) if not re.search("[/#]", weekday) else weekday
        days = (day, "?") if weekday in ("*", "?") else ("?", week)
        return f"cron({minute} {hour} {days[0]} {month} {days[1]} *)"
    return "cron(0 6 * * ? *)"


EXPRESSION = TextRule(
    "a schedule",
    "write rate(1 day), or cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)",
    r"rate\([1-9][0-9]{0,5} (?:minute|hour|day)s?\)|cron\([0-9A-Za-z*?,/#LW -]+\)",
    _suggest_expression,
    256,
    _expression,
)
SCHEDULE = TextRule("a name for a schedule", "1 to 64 letters, digits and . _ -", r"[0-9A-Za-z_.-]+",
                like("0-9A-Za-z_.-", 64), 64)  # fmt: skip
TOPIC = TextRule.of(aws_names.TOPIC, like("A-Za-z0-9_-", 256))
EMAIL = TextRule.of(aws_names.EMAIL, lambda v: re.sub(r"^mailto:|[\s<>]", "", v.strip()))
SUBSCRIBER = TextRule.of(aws_names.SUBSCRIBER, lambda v: "arn:aws:sqs:us-east-1:123456789012:ended-runs")
WEBHOOK = TextRule(
    "the ARN of a secret",
    "store the URL in an SSM parameter or in Secrets Manager, and write the ARN of that",
    SECRET.pattern,
    lambda v: None,
)
