"""Every call to AWS goes through here: one place for clients, retries, waiting, error codes, reads and writes.

`Aws.call` is the only way in. It knows from the operation's name whether it reads or writes, so that a plan's `Aws`
refuses to write, and an apply's checks before each write that the lock is still held. botocore's own retries are
off: they retry what must not be retried (a real `LimitExceededException`) and leave out what must.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

import tenacity

from reconciler.errors import AwsError, Denied, ReconcilerError, Unreachable, UserError

# Calls that make another thing each time: repeated only after a look at what is there.
ONCE = ("RegisterTaskDefinition", "CreateAccessKey")
READS = ("Get", "List", "Describe", "Head", "BatchGet", "Filter", "Lookup", "Simulate", "BatchCheck")
TRANSFER = "s3-transfer"  # the S3 client of boto3's transfer manager
CONNECTIONS = 32  # per client: the pool of connections that observe shares


T = TypeVar("T")
I = TypeVar("I")  # noqa: E741  the item of `each`


class Fault(Enum):
    """What an error code means for the caller."""

    NOT_YET = "not yet"  # eventual consistency or a state in between: try again within the budget
    THROTTLED = "throttled"  # slow down and try again
    BROKEN = "broken"  # AWS failed, or the answer was lost: try again, briefly
    ALREADY_THERE = "already there"
    GONE = "gone"
    DENIED = "denied"
    OTHER = "other"


@dataclass(frozen=True)
class Rule:
    """An error that means the same wherever these match. An empty operation or text matches any."""

    fault: Fault
    service: str
    code: str
    operations: tuple[str, ...] = ()
    text: str = ""
    budget: float = 120.0  # seconds that NOT_YET may last


THROTTLING = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "BandwidthLimitExceeded", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "EC2ThrottledException",
}  # fmt: skip
BROKEN = {
    "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError", "InternalServiceException",
    "ServiceFailure", "ServiceUnavailable", "ServiceUnavailableException", "ServerException", "RequestTimeout",
    "RequestTimeoutException", "500", "502", "503", "504",
}  # fmt: skip
DENIED = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException",
    "UnauthorizedAccess", "403", "Forbidden", "AllAccessDisabled",
}  # fmt: skip
CREDENTIALS = {
    "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "SignatureDoesNotMatch", "ExpiredToken",
    "ExpiredTokenException", "InvalidAccessKeyId", "RequestExpired", "IncompleteSignature", "InvalidToken",
    "MissingAuthenticationToken", "OptInRequired", "InvalidSignatureException",
}  # fmt: skip
RULES = (
    # IAM: a principal, role or version that was made a moment ago isn't seen everywhere yet.
    Rule(Fault.NOT_YET, "iam", "MalformedPolicyDocument", text="Invalid principal"),
    Rule(Fault.NOT_YET, "iam", "ConcurrentModification"),
    Rule(Fault.NOT_YET, "iam", "EntityTemporarilyUnmodifiable"),
    Rule(Fault.NOT_YET, "iam", "NoSuchEntity", ("AttachRolePolicy", "AttachUserPolicy", "TagRole", "TagPolicy")),
    Rule(Fault.ALREADY_THERE, "iam", "EntityAlreadyExists"),
    Rule(Fault.GONE, "iam", "NoSuchEntity"),
    # S3
    Rule(Fault.NOT_YET, "s3", "OperationAborted", budget=300.0),
    Rule(Fault.NOT_YET, "s3", "NoSuchBucket", ("PutObject", "CreateMultipartUpload", "PutBucketTagging",
         "PutBucketVersioning", "PutBucketEncryption", "PutPublicAccessBlock", "PutBucketLifecycleConfiguration")),
    Rule(Fault.ALREADY_THERE, "s3", "BucketAlreadyOwnedByYou"),
    *(Rule(Fault.GONE, "s3", code) for code in (
        "NoSuchBucket", "NoSuchKey", "404", "NotFound", "NoSuchLifecycleConfiguration", "NoSuchTagSet",
        "NoSuchPublicAccessBlockConfiguration", "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchBucketPolicy", "NoSuchUpload", "OwnershipControlsNotFoundError", "NoSuchVersion",
    )),
    # ECR
    Rule(Fault.ALREADY_THERE, "ecr", "RepositoryAlreadyExistsException"),
    *(Rule(Fault.GONE, "ecr", code) for code in (
        "RepositoryNotFoundException", "LifecyclePolicyNotFoundException", "RepositoryPolicyNotFoundException",
        "ImageNotFoundException", "ScanNotFoundException",
    )),
    # ECS
    Rule(Fault.NOT_YET, "ecs", "InvalidParameterException", text="service linked role"),
    Rule(Fault.NOT_YET, "ecs", "ClientException", text="was not ACTIVE", budget=600.0),
    Rule(Fault.NOT_YET, "ecs", "ClientException", text="Role is not valid"),
    Rule(Fault.NOT_YET, "ecs", "ClientException", text="Too many concurrent attempts"),
    Rule(Fault.NOT_YET, "ecs", "ResourceInUseException", budget=600.0),
    Rule(Fault.NOT_YET, "ecs", "UpdateInProgressException", budget=600.0),
    Rule(Fault.NOT_YET, "ecs", "ClusterContainsTasksException", budget=600.0),
    Rule(Fault.GONE, "ecs", "ClusterNotFoundException"),
    Rule(Fault.GONE, "ecs", "ClientException", ("DescribeTaskDefinition",), text="Unable to describe task definition"),
    Rule(Fault.GONE, "ecs", "ResourceNotFoundException"),
    # CloudWatch Logs
    Rule(Fault.NOT_YET, "logs", "OperationAbortedException"),
    Rule(Fault.ALREADY_THERE, "logs", "ResourceAlreadyExistsException"),
    Rule(Fault.GONE, "logs", "ResourceNotFoundException"),
    # EC2
    Rule(Fault.NOT_YET, "ec2", "DependencyViolation", ("DeleteSecurityGroup",), budget=600.0),
    Rule(Fault.ALREADY_THERE, "ec2", "InvalidGroup.Duplicate"),
    Rule(Fault.ALREADY_THERE, "ec2", "InvalidPermission.Duplicate"),
    Rule(Fault.GONE, "ec2", "InvalidGroup.NotFound"),
    Rule(Fault.GONE, "ec2", "InvalidGroupId.Malformed"),
    Rule(Fault.GONE, "ec2", "InvalidPermission.NotFound"),
    # SSM
    Rule(Fault.ALREADY_THERE, "ssm", "ParameterAlreadyExists"),
    Rule(Fault.GONE, "ssm", "ParameterNotFound"),
    Rule(Fault.NOT_YET, "ssm", "TooManyUpdates"),
)  # fmt: skip


def classify(service: str, operation: str, code: str, message: str) -> Rule:
    """What an error means, by its code first and its text only where the code says too little."""
    for rule in RULES:
        if rule.service == service and rule.code == code:
            if rule.operations and operation not in rule.operations:
                continue
            if rule.text.lower() in message.lower():
                return rule
    if code in THROTTLING:
        return Rule(Fault.THROTTLED, service, code, budget=300.0)
    if code in BROKEN:
        return Rule(Fault.BROKEN, service, code, budget=30.0)
    if code in DENIED:
        return Rule(Fault.DENIED, service, code)
    return Rule(Fault.OTHER, service, code)


def partition(region: str) -> str:
    """The partition of a region, by its prefix."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}
    return next((name for prefix, name in prefixes.items() if region.startswith(prefix)), "aws")


class AlreadyThere(AwsError):
    """The resource exists: made by someone else, or by a call of ours whose answer was lost."""


class Gone(AwsError):
    """The resource doesn't exist."""


class Clock(Protocol):
    """Time, passed in so that tests needn't wait."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Waiting:
    """What a call waits for, told to the listener before each pause."""

    service: str
    operation: str
    code: str
    seconds: float


class Failed(Exception):
    """One attempt failed; carries what tenacity decides by. Never leaves this module."""

    def __init__(self, rule: Rule, error: AwsError) -> None:
        super().__init__(error.message)
        self.rule, self.error = rule, error


class Aws:
    """AWS for one account, region and purpose. Safe to use from many threads."""

    def __init__(
        self,
        region: str,
        *,
        session: Any = None,
        endpoint_url: str | None = None,
        read_only: bool = False,
        clock: Clock | None = None,
        before_write: Callable[[], None] = lambda: None,
        on_wait: Callable[[Waiting], None] = lambda waiting: None,
        on_call: Callable[[str, str, str], None] = lambda service, operation, request_id: None,
    ) -> None:
        self.region = region
        self.read_only = read_only
        self.clock = clock or SystemClock()
        self.before_write = before_write
        self.on_wait = on_wait
        self.on_call = on_call
        self._session = session
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._service_locks: dict[str, threading.Lock] = {}

    def client(self, service: str) -> Any:
        """The one boto3 client of a service, made on first use. For transfers; everything else uses `call`."""
        with self._lock:
            if service in self._clients:
                return self._clients[service]
            if self._session is None:
                import boto3  # takes 0.2 s, so only when AWS is used

                self._session = boto3.session.Session()
        # Sessions aren't thread-safe, so clients are made one after another.
        from botocore.config import Config

        config = Config(
            # A transfer's calls aren't made by `call`, so botocore retries those.
            retries={"total_max_attempts": 6 if service == TRANSFER else 1, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            connect_timeout=10,
            read_timeout=60,
            s3={"addressing_style": "path"} if self._endpoint_url else None,
            user_agent_extra="reconciler",
        )
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service.removesuffix("-transfer"), region_name=self.region, endpoint_url=self._endpoint_url, config=config
                )
            return self._clients[service]

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """Make one API call, retried as the tables above say.

        operation: the API's name of it, such as `CreateRole`; params: its parameters.
        Raises AlreadyThere, Gone, Denied, Unreachable, AwsError; UserError for missing credentials.
        """

        def pause(state: tenacity.RetryCallState) -> float:
            failed = state.outcome.exception() if state.outcome else None
            assert isinstance(failed, Failed)
            attempt = min(state.attempt_number, 6)
            top = 20.0 if failed.rule.fault is Fault.THROTTLED else 5.0
            wait = min(0.2 * 2**attempt, top)
            return wait * (0.5 + random.random() / 2)  # noqa: S311  jitter, not a secret

        def tell(state: tenacity.RetryCallState) -> None:
            failed = state.outcome.exception() if state.outcome else None
            assert isinstance(failed, Failed)
            self.on_wait(Waiting(service, operation, failed.error.code, state.idle_for))

        def give_up(state: tenacity.RetryCallState) -> bool:
            failed = state.outcome.exception() if state.outcome else None
            assert isinstance(failed, Failed)
            return self.clock.now() - started >= failed.rule.budget

        repeatable = {Fault.NOT_YET, Fault.THROTTLED} | ({Fault.BROKEN} if operation not in ONCE else set())
        started = self.clock.now()
        retrying = tenacity.Retrying(
            sleep=self.clock.sleep,
            wait=pause,
            stop=give_up,
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, Failed) and e.rule.fault in repeatable),
            before_sleep=tell,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = retrying(self._once, service, operation, params)
        except Failed as failed:
            raise failed.error from None
        return answer

    def find(self, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
        """The same, with None for what doesn't exist."""
        try:
            return self.call(service, operation, **params)
        except Gone:
            return None

    def together(self, *reads: Callable[[], T]) -> list[T]:
        """Run these at the same time; their results in order. The first error is raised."""
        if len(reads) == 1:
            return [reads[0]()]
        with ThreadPoolExecutor(max(1, min(len(reads), CONNECTIONS))) as pool:
            futures = [pool.submit(read) for read in reads]
            return [future.result() for future in futures]

    def each(self, read: Callable[[I], T], items: Iterable[I]) -> list[T]:
        """Run `read` for each item at the same time; the results in order. The first error is raised."""
        return self.together(*[partial(read, item) for item in items])

    def pages(self, service: str, operation: str, key: str, /, **params: Any) -> Iterator[Any]:
        """All items under `key` of a paged answer."""
        tokens = _paging(self.client(service), operation)
        while True:
            answer = self.call(service, operation, **params)
            yield from answer.get(key) or ()
            following = {ours: answer.get(theirs) for ours, theirs in tokens}
            if not tokens or not all(following.values()):
                return
            params |= following

    def ensure(self, service: str, operation: str, /, **params: Any) -> None:
        """The same, where that it is there already is as good."""
        try:
            self.call(service, operation, **params)
        except AlreadyThere:
            return

    def transfer(self, method: str, /, **params: Any) -> None:
        """An upload or download by boto3's transfer manager, which makes many calls of its own."""
        from boto3.exceptions import S3UploadFailedError
        from botocore import exceptions as botocore_errors

        try:
            getattr(self.client(TRANSFER), method)(**params)
        except S3UploadFailedError as error:
            raise Unreachable("s3", method, "upload failed", str(error), hint="run the command again") from None
        except botocore_errors.ClientError as error:
            raise _failed("s3", method, error.response)[1] from None
        except botocore_errors.BotoCoreError as error:
            raise Unreachable("s3", method, "connection lost", str(error), hint="run the command again") from None

    def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any] | None:
        """All items of a paged answer, with None for what doesn't exist."""
        try:
            return list(self.pages(service, operation, key, **params))
        except Gone:
            return None

    @cached_property
    def account(self) -> str:
        """The account's id."""
        return str(self.call("sts", "GetCallerIdentity")["Account"])

    @property
    def partition(self) -> str:
        """`aws`, or the name of the partition that this region is in."""
        return partition(self.region)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account; IAM's have no region."""
        region = "" if service == "iam" else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def _once(self, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        from botocore import exceptions as botocore_errors

        if not operation.startswith(READS):
            if self.read_only:
                raise ReconcilerError(f"a read-only command tried to call {service}:{operation}; please report this")
            self.before_write()
        client = self.client(service)
        try:
            answer: dict[str, Any] = getattr(client, _method(operation))(**params)
        except botocore_errors.ClientError as error:
            raise Failed(*_failed(service, operation, error.response)) from None
        except (botocore_errors.NoCredentialsError, botocore_errors.PartialCredentialsError) as error:
            raise UserError(
                f"no AWS credentials: {error}",
                hint="run `aws configure` or `aws sso login`, set AWS_PROFILE, or try it without an account: --local",
            ) from None
        except (botocore_errors.EndpointConnectionError, botocore_errors.ConnectTimeoutError) as error:
            # Nobody answers at this address: worth a few tries, not half a minute.
            hint = f"is {self.region!r} a region, and is the network there?"
            unreachable = Unreachable(service, operation, "unreachable", str(error), hint=hint)
            raise Failed(Rule(Fault.BROKEN, service, "", budget=5.0), unreachable) from None
        except botocore_errors.HTTPClientError as error:
            lost = Unreachable(service, operation, "connection lost", str(error), hint="run the command again")
            raise Failed(Rule(Fault.BROKEN, service, "", budget=30.0), lost) from None
        except botocore_errors.ParamValidationError as error:
            raise ReconcilerError(f"{service}:{operation}: {error}") from None
        except botocore_errors.BotoCoreError as error:
            raise UserError(f"{service}:{operation}: {error}", hint="check AWS_PROFILE and ~/.aws/config") from None
        self.on_call(service, operation, answer.get("ResponseMetadata", {}).get("RequestId", ""))
        return answer


def _failed(service: str, operation: str, response: Mapping[str, Any]) -> tuple[Rule, AwsError]:
    problem = response.get("Error", {})
    code, message = str(problem.get("Code", "")), str(problem.get("Message", ""))
    request_id = response.get("ResponseMetadata", {}).get("RequestId", "")
    rule = classify(service, operation, code, message)
    types: dict[Fault, type[AwsError]] = {
        Fault.ALREADY_THERE: AlreadyThere, Fault.GONE: Gone, Fault.DENIED: Denied, Fault.BROKEN: Unreachable,
    }  # fmt: skip
    hint = ""
    if code in CREDENTIALS:
        hint = "the credentials are wrong or have expired: run `aws configure` or `aws sso login`"
    elif rule.fault is Fault.DENIED:
        hint = f"allow {service}:{operation} to whoever runs this"
    error = types.get(rule.fault, AwsError)(service, operation, code, message, request_id=request_id, hint=hint)
    return rule, error


def _method(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def _paging(client: Any, operation: str) -> list[tuple[str, str]]:
    """(input token, output token) pairs of a paged operation, from botocore's own tables."""
    if not client.can_paginate(_method(operation)):
        return []
    config = client.get_paginator(_method(operation))._pagination_cfg
    ours, theirs = config["input_token"], config["output_token"]
    if isinstance(ours, str):
        ours, theirs = [ours], [theirs]
    return [(one, str(other).split(" || ")[0]) for one, other in zip(ours, theirs, strict=True)]
