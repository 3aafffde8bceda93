"""What AWS's services refuse beyond their models: one table, with the code and the words of the answer. Pure.

The facts are those of `core` (`limits`, `aws_names`, `fargate`, `log_driver`, `schedule`), which the file is checked
against. The embedded AWS answers by this table, and the tests judge by it what any process sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core import aws_names, limits, plain_json
from reconciler.core.limits import FEWEST_DAYS, Limit
from reconciler.core.policy_rules import policy_problems
from reconciler.core.schedule import BadSchedule, parse, time_zones
from reconciler.local.request_model import Broken, broken
from reconciler.local.request_rules_ecs import ecs

Params = Mapping[str, Any]
# The code of the usual error, for what a model says; ValidationException of those that aren't here.
CODES = {
    "cloudwatch": "ValidationError", "ec2": "InvalidParameterValue", "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException", "iam": "ValidationError", "logs": "InvalidParameterException",
    "s3": "InvalidArgument", "sns": "InvalidParameter", "sqs": "InvalidParameterValue", "sts": "ValidationError",
}  # fmt: skip
USUAL = "ValidationException"
TAG_CODES = {
    "ecr": "InvalidTagParameterException", "iam": "InvalidInput", "lambda": "InvalidParameterValueException",
    "s3": "InvalidTag",
}  # fmt: skip
ANY_TAG = frozenset(("ec2", "sqs"))  # they take any character in a tag
OF_IDENTITIES = ("CreatePolicy", "CreatePolicyVersion", "PutRolePolicy", "PutUserPolicy", "PutGroupPolicy")
MALFORMED = "MalformedPolicyDocument"
UNIVERSAL = ":scheduler:::aws-sdk:"


def judge(model: Mapping[str, Any], service: str, operation: str, params: Params, partition: str = "") -> list[Broken]:
    """What AWS would refuse in a request. model: the service's, whole; partition: of AWS, empty for any. Empty for what
    it takes.
    """
    shape = model["operations"][operation].get("input", {}).get("shape")
    problems = list(broken(service, model["shapes"], shape, params))
    if problems:
        return problems
    rules = _iam(operation, params, partition) if service == "iam" else RULES.get(service, _none)(operation, params)
    return [*_tags(service, params), *rules]


def code_of(service: str, problems: Sequence[Broken]) -> str:
    """The code of the answer to a request that breaks these."""
    return next((problem.code for problem in problems if problem.code), CODES.get(service, USUAL))


def _none(operation: str, params: Params) -> Iterator[Broken]:
    return iter(())


def _tags(service: str, params: Params) -> Iterator[Broken]:
    code = TAG_CODES.get(service, CODES.get(service, USUAL))
    pairs = list(_pairs(params))
    problems = limits.tag_problems(pairs)
    keys = [key for key, _ in pairs]
    if service == "iam" and aws_names.same_tags(keys):
        problems.append("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    elif len(set(keys)) < len(keys):
        problems.append("Duplicate tag keys found: a tag is there twice.")
    for key, value in pairs:
        if key.lower().startswith(aws_names.RESERVED_TAGS):
            problems.append(f"the tag {key!r} is AWS's: aws: prefixed tag key names are not allowed for external use.")
        if service not in ANY_TAG and (why := aws_names.tag_problem(key) or aws_names.tag_problem(value)):
            problems.append(f"the tag {key!r} or its value is invalid: {why}")
    yield from (Broken(text, code) for text in problems)


def _pairs(params: Params) -> Iterator[tuple[str, str]]:
    """(key, value) of the tags that a request gives to something."""
    tagging, tags = params.get("Tagging"), params.get("Tags") or params.get("tags") or []
    if isinstance(tags, Mapping):
        yield from ((str(key), str(value)) for key, value in tags.items())
        return
    of_s3 = tagging.get("TagSet", []) if isinstance(tagging, Mapping) else []
    of_ec2 = [tag for specification in params.get("TagSpecifications", ()) for tag in specification.get("Tags", ())]
    for tag in [*tags, *of_s3, *of_ec2]:
        if isinstance(tag, Mapping):
            by_name = {key.lower(): value for key, value in tag.items()}
            yield str(by_name.get("key", "")), str(by_name.get("value", ""))


def _iam(operation: str, params: Params, partition: str) -> Iterator[Broken]:
    if operation in ("CreateRole", "UpdateAssumeRolePolicy"):
        text = params.get("AssumeRolePolicyDocument") or params.get("PolicyDocument", "")
        yield from _large(text, limits.TRUST, "ACLSizePerRole")
        yield from (Broken(why, MALFORMED) for why in policy_problems(text))
    elif operation in OF_IDENTITIES:
        text = params["PolicyDocument"]
        if operation.startswith("Create"):
            yield from _large(text, limits.MANAGED_POLICY, "PolicySize")
        yield from (Broken(why, MALFORMED) for why in policy_problems(text, identity=True, partition=partition))


def _large(text: str, limit: Limit, quota: str) -> Iterator[Broken]:
    if limits.policy_size(text) > limit.most:
        yield Broken(f"Cannot exceed quota for {quota}: {limit.most}", "LimitExceeded")


def _s3(operation: str, params: Params) -> Iterator[Broken]:
    if operation == "CreateBucket":
        own = aws_names.ACCOUNT_REGIONAL_NAME.search(params["Bucket"]) is not None
        if not aws_names.BUCKET.fits(params["Bucket"]) or own != (params.get("BucketNamespace") == "account-regional"):
            yield Broken("The specified bucket is not valid.", "InvalidBucketName")
    if len(params.get("Key", "").encode("utf-8", "surrogateescape")) > limits.OBJECT_KEY.most:
        yield Broken("Your key is too long.", "KeyTooLongError")
    if any(not f"{key}{value}".isascii() for key, value in (params.get("Metadata") or {}).items()):
        yield Broken("User metadata can contain ASCII characters only.", "InvalidArgument")
    if operation == "PutBucketPolicy":
        if len(params["Policy"].encode()) > limits.BUCKET_POLICY.most:
            yield Broken("Policy exceeds the maximum allowed document size.", "InvalidPolicyDocument")
        yield from (Broken(why, "MalformedPolicy") for why in policy_problems(params["Policy"], plain=False))
    elif operation == "PutBucketLifecycleConfiguration":
        for rule in (params.get("LifecycleConfiguration") or {}).get("Rules") or ():
            if not rule.keys() & LIFECYCLE_ACTIONS:
                yield Broken("At least one action needs to be specified in a rule.", "InvalidRequest")
            for action, unit in LIFECYCLE_DAYS.items():
                if (rule.get(action) or {}).get(unit, FEWEST_DAYS) < FEWEST_DAYS:
                    yield Broken(f"'{unit}' for {action} action must be a positive integer", "InvalidArgument")
    elif operation == "PutBucketEncryption":
        for rule in params["ServerSideEncryptionConfiguration"].get("Rules") or ():
            usual = rule.get("ApplyServerSideEncryptionByDefault") or {}
            if usual.get("KMSMasterKeyID") and not str(usual.get("SSEAlgorithm")).startswith("aws:kms"):
                yield Broken(
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
                    "InvalidArgument",
                )


LIFECYCLE_DAYS = {
    "Expiration": "Days", "NoncurrentVersionExpiration": "NoncurrentDays",
    "AbortIncompleteMultipartUpload": "DaysAfterInitiation",
}  # fmt: skip
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
LIFECYCLE_ACTIONS = frozenset((
    "Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", "Transitions",
    "NoncurrentVersionTransitions",
))  # fmt: skip


def _ssm(operation: str, params: Params) -> Iterator[Broken]:
    """https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"""
    if operation != "PutParameter":
        return
    size, advanced = len(params["Value"].encode()), params.get("Tier") in ("Advanced", "Intelligent-Tiering")
    if why := limits.parameter_name_problem(params["Name"]):
        yield Broken(f"Parameter name: {why}.", USUAL)
    if not size:
        yield Broken("Parameter value can't be empty.", USUAL)
    if params.get("Policies") and not advanced:
        yield Broken("Parameter policies are for parameters of the advanced tier.", USUAL)
    if size > limits.PARAMETER.most and not advanced:
        most = limits.PARAMETER.most
        yield Broken(f"Standard tier parameters support a maximum parameter value of {most} characters.", USUAL)
    if limits.NESTED in params["Value"]:
        yield Broken("Parameter value can't nest another parameter. Do not use {{}} in the value.", USUAL)
    if params.get("Tags") and params.get("Overwrite"):
        yield Broken("Invalid request: tags and overwrite can't be used together.", USUAL)


# How AWS calls runtimes, those that come after the model too.
RUNTIME = re.compile(
    r"python\d\.\d+|nodejs(?:\d+\.x|\d\.\d+|)|java\d+(?:\.al\d+)?|dotnet(?:core)?\d+(?:\.\d)?|ruby\d\.\d+|go1\.x"
    r"|custom|provided(?:\.al\d+)?"
)


def _lambda(operation: str, params: Params) -> Iterator[Broken]:
    if not RUNTIME.fullmatch(runtime := params.get("Runtime", "provided")):
        why = f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set"
        yield Broken(f"{why} or be a valid ARN", "InvalidParameterValueException")
    variables = (params.get("Environment") or {}).get("Variables") or {}
    if limits.environment_size(variables) > limits.FUNCTION_ENVIRONMENT.most:
        yield Broken(
            "Lambda was unable to configure your environment variables because the environment variables you "
            "have provided exceeded the 4KB limit.",
            "InvalidParameterValueException",
        )
    if reserved := sorted(name for name in variables if aws_names.RESERVED_VARIABLES.fullmatch(name)):
        yield Broken(
            "Lambda was unable to configure your environment variables because the environment variables you "
            "have provided contains reserved keys that are currently not supported for modification. Reserved "
            f"keys used in this request: {', '.join(reserved)}",
            "InvalidParameterValueException",
        )


def _logs(operation: str, params: Params) -> Iterator[Broken]:
    if operation == "PutRetentionPolicy" and (days := params["retentionInDays"]) not in aws_names.RETENTION_DAYS:
        constraint = f"Member must satisfy enum value set: {list(aws_names.RETENTION_DAYS)}"
        yield Broken(
            f"Value '{days}' at 'retentionInDays' failed to satisfy constraint: {constraint}",
            "InvalidParameterException",
        )


def _ec2(operation: str, params: Params) -> Iterator[Broken]:
    if operation == "CreateSecurityGroup":
        name, text = params["GroupName"], params["Description"]  # EC2 takes spaces at their ends away
        if not aws_names.SECURITY_GROUP.fits(name.strip(" ")):
            yield Broken(f"Value ({name}) for parameter GroupName is invalid.", "InvalidParameterValue")
        if not aws_names.SECURITY_GROUP_TEXT.fits(text.strip(" ")):
            yield Broken(f"Value ({text}) for parameter GroupDescription is invalid.", "InvalidParameterValue")


def _ecr(operation: str, params: Params) -> Iterator[Broken]:
    tag = params.get("imageTag")
    if operation == "PutImage" and tag and not aws_names.IMAGE_TAG.fits(tag):
        yield Broken(
            "Invalid parameter at 'imageTag' failed to satisfy constraint: 'must satisfy regular expression "
            f"'{aws_names.IMAGE_TAG.pattern}''",
            "InvalidParameterException",
        )


def _events(operation: str, params: Params) -> Iterator[Broken]:
    if operation == "PutRule" and len(params.get("EventPattern", "")) > limits.EVENT_PATTERN.most:
        yield Broken("Event pattern is too long.", USUAL)


def _sns(operation: str, params: Params) -> Iterator[Broken]:
    code = "InvalidParameter"
    subject, protocol = params.get("Subject"), params.get("Protocol")
    if operation == "CreateTopic" and not aws_names.TOPIC.fits(params["Name"].removesuffix(".fifo")):
        yield Broken("Invalid parameter: Topic Name", code)
    elif operation == "Publish":
        # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
        if subject is not None and not re.fullmatch(rf"[^\x00-\x1f\x7f]{{1,{limits.SUBJECT.most}}}", subject):
            yield Broken("Invalid parameter: Subject", code)
        if len(params["Message"].encode()) + len((subject or "").encode()) > limits.MESSAGE.most:
            yield Broken("Invalid parameter: Message too long", code)
    elif operation == "Subscribe":
        endpoint = params.get("Endpoint", "")
        if protocol == "email" and not aws_names.EMAIL.fits(endpoint):
            yield Broken("Invalid parameter: Email address", code)
        if protocol in ("sqs", "lambda") and not aws_names.SUBSCRIBER.fits(endpoint.removesuffix(".fifo")):
            yield Broken(f"Invalid parameter: {protocol} endpoint ARN", code)


def _sqs(operation: str, params: Params) -> Iterator[Broken]:
    if operation == "CreateQueue" and not aws_names.QUEUE.fits(params["QueueName"].removesuffix(".fifo")):
        yield Broken(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            "InvalidParameterValue",
        )


def _scheduler(operation: str, params: Params) -> Iterator[Broken]:
    """https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""
    if operation not in ("CreateSchedule", "UpdateSchedule"):
        return
    try:
        parse(params["ScheduleExpression"])
    except BadSchedule:
        yield Broken(f"Invalid Schedule Expression {params['ScheduleExpression']}.", USUAL)
    if (zone := params.get("ScheduleExpressionTimezone")) and (zones := time_zones()) and zone not in zones:
        yield Broken("Provided ScheduleExpressionTimezone is not valid.", USUAL)
    window, target = params["FlexibleTimeWindow"], params["Target"]
    if window.get("Mode") == "FLEXIBLE" and not window.get("MaximumWindowInMinutes"):
        yield Broken("Flexible Time Window Mode is FLEXIBLE and MaximumWindowInMinutes is not set.", USUAL)
    target_input = _json(target.get("Input") or "{}") if UNIVERSAL in target["Arn"] else {}
    if small := sorted(key for key in target_input if not key[:1].isupper()):
        yield Broken(f"Invalid Input for target: its names must be in PascalCase, and not {', '.join(small)}.", USUAL)


def _json(text: str) -> Mapping[str, Any]:
    """An object; an empty one for anything else, as what has <aws.scheduler.attempt-number> for a number may be."""
    try:
        content = plain_json.parse(text)
    except ValueError:
        return {}
    return content if isinstance(content, Mapping) else {}


RULES: Mapping[str, Callable[[str, Params], Iterator[Broken]]] = {
    "ec2": _ec2, "ecr": _ecr, "ecs": ecs, "events": _events, "lambda": _lambda, "logs": _logs, "s3": _s3,
    "scheduler": _scheduler, "sns": _sns, "sqs": _sqs, "ssm": _ssm,
}  # fmt: skip
