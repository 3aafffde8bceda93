"""What AWS lets things be called, each with its source. Pure.

Here is what the service models of AWS don't say; what they say (IAM, ECR, Logs, Scheduler) the tests hold the file's
rules to. The file is checked against this table, and the embedded AWS and the tests judge requests by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from unicodedata import category

_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/"
_EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html"


@dataclass(frozen=True)
class Form:
    """A rule for a text. allowed: in words; pattern: a regular expression that JavaScript reads too; most: characters,
    0 for any number; source: where AWS says so.
    """

    subject: str
    allowed: str
    pattern: str
    most: int
    source: str

    def fits(self, text: str) -> bool:
        """Whether AWS takes this text."""
        return (not self.most or len(text) <= self.most) and re.fullmatch(self.pattern, text, re.ASCII) is not None


ECS = Form("a name in ECS", "1 to 255 letters, digits, _ and -", r"[A-Za-z0-9_-]+", 255,
           f"{_ECS}API_RegisterTaskDefinition.html")  # fmt: skip
CAPACITY_PROVIDER = Form(
    "a name for a capacity provider",
    "1 to 255 letters, digits, _ and -, not beginning with aws, ecs or fargate",
    r"(?!(?:[aA][wW][sS]|[eE][cC][sS]|[fF][aA][rR][gG][aA][tT][eE]))[A-Za-z0-9_-]+",
    255,
    f"{_ECS}API_CreateCapacityProvider.html",
)
EC2_TEXT = r"A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*"
# AWS takes spaces at the ends away, so that what is there would never be as wanted.
SECURITY_GROUP = Form(
    "a name for a security group",
    "1 to 255 letters, digits, spaces and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *, but not default or sg-...",
    rf"(?![sS][gG]-)(?!default$)(?! )(?!.* $)[{EC2_TEXT}]+",
    255,
    _EC2,
)
SECURITY_GROUP_TEXT = Form(
    "a description of a security group",
    "1 to 255 letters, digits, spaces and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *",
    rf"(?! )(?!.* $)[{EC2_TEXT}]+",
    255,
    _EC2,
)
BUCKET_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
BUCKET_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
# A bucket that only its account can have: https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html
ACCOUNT_REGIONAL = "-an"
ACCOUNT_REGIONAL_NAME = re.compile(r"[a-z0-9]-[0-9]{12}-[a-z0-9-]+-an$")
BUCKET = Form(
    "a name for an S3 bucket",
    "3 to 63 lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit",
    rf"(?!{'|'.join(BUCKET_PREFIXES)})(?!.*\.\.)(?!.*(?:{'|'.join(BUCKET_SUFFIXES).replace('.', chr(92) + '.')})$)"
    rf"(?!(?!.*{ACCOUNT_REGIONAL_NAME.pattern}).*-an$)"
    r"(?!(?:[0-9]+\.){3}[0-9]+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    63,
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html",
)
# Until March 2018 us-east-1 took names with capitals, with _ and of up to 255 characters, and those buckets are there.
OLD_BUCKET = Form(
    "a name for an old S3 bucket",
    "3 to 255 letters, digits, hyphens, dots and _, with a capital or _",
    r"(?=.*[A-Z_])[A-Za-z0-9._-]{3,255}",
    255,
    BUCKET.source,
)
TOPIC = Form("a name for an SNS topic", "1 to 256 letters, digits, - and _", r"[A-Za-z0-9_-]+", 256,
             "https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html")  # fmt: skip
QUEUE = Form("a name for an SQS queue", "1 to 80 letters, digits, - and _", r"[A-Za-z0-9_-]+", 80,
             "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html")  # fmt: skip
_SNS = "https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"
EMAIL = Form(
    "an e-mail address",
    "write NAME@DOMAIN",
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    254,
    _SNS,
)
SUBSCRIBER = Form(
    "a subscriber of the topic",
    "write the ARN of an SQS queue or of a Lambda function",
    r"arn:aws[a-z-]*:(?:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}"
    r"|lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9_$-]+)?)",
    0,
    _SNS,
)
IMAGE_TAG = Form(
    "an image tag",
    "at most 128 letters, digits, _ . and -, beginning with a letter, a digit or _",
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    128,
    "https://docs.docker.com/reference/cli/docker/image/tag/",
)
STARTED_BY = Form("what starts a task", "at most 128 letters, digits, - _ and /", r"[A-Za-z0-9_/-]*", 128,
                  f"{_ECS}API_RunTask.html")  # fmt: skip
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
RESERVED_VARIABLES = re.compile(
    "_HANDLER|_X_AMZN_TRACE_ID|AWS_(?:DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_ACCESS_KEY(?:_ID)?"
    "|AWS_LAMBDA_(?:FUNCTION_(?:NAME|VERSION|MEMORY_SIZE)|LOG_(?:GROUP|STREAM)_NAME|INITIALIZATION_TYPE|RUNTIME_API)"
    "|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|LAMBDA_(?:TASK_ROOT|RUNTIME_DIR)"
)
# The log group of a cluster's Container Insights.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-logs-ECS.html
USAGE_GROUP = "/aws/ecs/containerinsights/{cluster}/performance"
# EC2 has a name of its own in China, which its trust policies need; all other services that are used here have one name
# in every partition. https://docs.amazonaws.cn/en_us/IAM/latest/UserGuide/reference_policies_elements_principal.html,
# https://github.com/hashicorp/terraform-provider-aws/pull/47141, https://github.com/awslabs/cdk-eks-blueprints/issues/558
PRINCIPALS = {("aws-cn", "ec2"): "ec2.amazonaws.com.cn"}
TAG_SYMBOLS = " _.:/=+-@"  # https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
RESERVED_TAGS = "aws:"

# Six characters end a secret's own ARN, and may be left out where it is read:
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
SECRET_END = re.compile(r"-[A-Za-z0-9]{6}$")
SECRET_WORD = re.compile(r"-[a-z0-9]{6}$")  # which may be AWS's end, or that of a name such as db-secret


def secret_resources(source: str) -> tuple[str, ...]:
    """How policies name the parameter or secret that has this ARN, which may name a JSON key, too: by its own ARN, by
    that with any end if the end isn't there, or by both where that can't be told.
    """
    arn = ":".join(source.split(":")[:7])
    if ":secretsmanager:" not in arn:
        return (arn,)
    if not SECRET_END.search(arn):
        return (f"{arn}-??????",)
    return (arn, f"{arn}-??????") if SECRET_WORD.search(arn) else (arn,)


def principal(service: str, partition: str = "aws") -> str:
    """By which name a service takes on a role."""
    return PRINCIPALS.get((partition, service), f"{service}.amazonaws.com")


def tag_problem(text: str) -> str:
    """Why AWS refuses this text in a tag, whatever its length; empty if it doesn't."""
    wrong = any(not (c.isalnum() or c in TAG_SYMBOLS or category(c)[0] == "Z") for c in text)
    return "only letters, digits, spaces and _ . : / = + - @ are allowed" if wrong else ""


def same_tags(keys: Iterable[str]) -> list[tuple[str, str]]:
    """(key, an earlier one) of those that IAM can't tell apart: it takes upper and lower case for the same."""
    first: dict[str, str] = {}
    alike = []
    for key in keys:
        if (small := key.lower()) in first:
            alike.append((key, first[small]))
        first.setdefault(small, key)
    return alike
