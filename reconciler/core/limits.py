"""How large AWS lets things be, and what it lets a parameter be called, each with its source. Pure.

The file is checked against this table, the embedded AWS refuses by it, and the tests judge requests by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"
_ECS = "https://docs.aws.amazon.com/general/latest/gr/ecs-service.html"
_SSM = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"
_TAGS = "https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"
_EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html"


@dataclass(frozen=True)
class Limit:
    """The most that AWS takes of something. unit: what is counted; source: where AWS says so."""

    subject: str
    most: int
    unit: str
    source: str

    def exceeded(self, size: int) -> str:
        """What is wrong with this size; empty if it is right."""
        return f"{self.subject} of {size:,} {self.unit}, and AWS takes {self.most:,}" if size > self.most else ""


MANAGED_POLICY = Limit("a managed policy", 6_144, "characters", _IAM)  # IAM counts no white space in policies
ROLE_INLINE = Limit("the inline policies of a role together", 10_240, "characters", _IAM)
USER_INLINE = Limit("the inline policies of a user together", 2_048, "characters", _IAM)
POLICY_NAME = Limit("a policy's name", 128, "characters", _IAM)
TRUST = Limit("a trust policy", 2_048, "characters", _IAM)  # 4,096 on request
ATTACHED = Limit("the managed policies of a role or user", 10, "policies", _IAM)  # 20 on request, for roles
ACCESS_KEYS = Limit("the access keys of a user", 2, "keys", _IAM)
TASK_DEFINITION = Limit("a task definition", 65_536, "bytes", _ECS)
OVERRIDES = Limit(
    "what is different for one task",
    8_192,
    "characters",
    "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#ECS-RunTask-request-overrides",
)
FUNCTION_ENVIRONMENT = Limit(
    "the environment of a function",
    4_096,
    "bytes",
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
)
PARAMETER = Limit("a standard parameter", 4_096, "bytes", _SSM)
PARAMETER_NAME = Limit("a parameter's ARN", 1_011, "characters", _SSM)
TAGS = Limit("tags", 50, "tags", _TAGS)
TAG_KEY = Limit("a tag's key", 128, "characters", _TAGS)
TAG_VALUE = Limit("a tag's value", 256, "characters", _TAGS)
EVENT_PATTERN = Limit("an event pattern", 2_048, "characters", _EVENTS)  # 4,096 on request
LOG_STREAM = Limit(
    "a log stream's name",
    512,
    "characters",
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html",
)
OBJECT_KEY = Limit("a key", 1_024, "bytes", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html")
_REGISTER = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html"
IMAGE = Limit("an image's address", 255, "characters", _REGISTER)
_VPC = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html"
TASK_SUBNETS = Limit("the network of a task", 16, "subnets", _VPC)
TASK_GROUPS = Limit("the network of a task", 5, "security groups", _VPC)
_SNS = "https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"
SUBJECT = Limit("the subject of a message", 100, "characters", _SNS)
MESSAGE = Limit("a message with its subject", 262_144, "bytes", _SNS)
BUCKET_POLICY = Limit(
    "a bucket policy", 20_480, "bytes", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"
)

# Of a lifecycle rule: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html
FEWEST_DAYS, MOST_DAYS = 1, 2**31 - 1  # the API's integer
NESTED = "{{"  # in a parameter's value, with which it would name another; its source is that of PARAMETER
NAME = re.compile(r"[A-Za-z0-9_.\-/]+")
LEVELS = 15
RESERVED = re.compile(r"/?(?:aws|ssm)", re.IGNORECASE)


def parameter_name_problem(name: str) -> str:
    """Why SSM refuses this name of a parameter, whatever the account; empty if it doesn't."""
    if not NAME.fullmatch(name):
        return "a parameter's name has letters, digits, _ . - and / only"
    if RESERVED.match(name):
        return "a parameter's name doesn't begin with aws or ssm"
    if name.count("/") > LEVELS:
        return f"a parameter's name has {LEVELS} levels at most"
    return PARAMETER_NAME.exceeded(len(name))


def in_parameter_name(text: str) -> str:
    """A text such as a user's name as a part of a parameter's name, told from that of any other text."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", text)
    if plain == text:
        return text
    import hashlib

    return f"{plain}.{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def policy_size(document: Mapping[str, Any] | str) -> int:
    """The characters of a policy, as IAM counts them."""
    text = document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))
    return len(re.sub(r"\s", "", text))


def json_characters(value: Any) -> int:
    """The characters of a part of a request."""
    return len(_compact(value))


def json_size(value: Any) -> int:
    """The bytes of a part of a request."""
    return len(_compact(value).encode())


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def environment_size(variables: Mapping[str, str]) -> int:
    """The bytes of a function's variables, as Lambda counts them."""
    return json_size(dict(variables))


def tag_problems(tags: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with the sizes of a resource's tags."""
    tags = list(tags)
    problems = [TAGS.exceeded(len(tags))]
    problems += [TAG_KEY.exceeded(len(key)) for key, _ in tags]
    problems += [TAG_VALUE.exceeded(len(value)) for _, value in tags]
    return [problem for problem in problems if problem]
