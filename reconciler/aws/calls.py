"""Every call to AWS goes through here: one place for clients, retries, waiting, error codes, reads and writes.

The class `Aws` is the only way in: by `call` and what is made of it, `ensure`, `put_object` and `transfer`. It knows
from the operation's name whether it reads or writes, so that a plan's `Aws` refuses to write, and an apply's checks
before each write that the lock is still held. botocore's own retries are off: they retry what must not be retried (a
real `LimitExceededException`) and leave out what must. What an error means is in `errors`.
"""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.aws.answer import BROKEN_ANSWER, answer_of
from reconciler.aws.clients import CONNECTIONS, TRANSFER, UPLOAD, Clients, method_of, paging
from reconciler.aws.credentials import NoRole
from reconciler.aws.errors import CHANGED, Fault
from reconciler.aws.failures import NOT_SENT, Call, Failed, failed, failure_of, no_role, pause, undescribed, unread
from reconciler.aws.fresh import Fresh
from reconciler.aws.pace import Pace
from reconciler.aws.regions import partition_of
from reconciler.aws.together import Shared, Together
from reconciler.core.clock import Clock, SystemClock, interrupted
from reconciler.core.errors import (
    AlreadyThere,
    AwsError,
    Denied,
    EmbeddedAwsEnded,
    Gone,
    Interrupted,
    ReconcilerError,
    Unreachable,
)
from reconciler.core.pages import Endless, pages

if TYPE_CHECKING:
    import tenacity

READS = ("Get", "List", "Describe", "Head", "BatchGet", "Filter", "Lookup", "Simulate", "BatchCheck")
# Calls that make another thing each time, or harm what they made (CreateBucket in us-east-1 resets its ACL): when the
# answer is lost they aren't repeated before somebody has looked. A second upload is a second version of the object.
ONCE = ("Create", "Register", "upload")
# What botocore raises where it isn't ready for a failure: while it gets credentials, or reads an answer.
OF_CODE = (ValueError, RuntimeError, OSError, AttributeError, TypeError, KeyError)
TRANSFERS = 4  # at a time, each over a few connections

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741  the item of `each`


@dataclass(frozen=True)
class Waiting:
    """What is waited for, told to the listener before each pause. seconds: so far."""

    subject: str
    seconds: float

    def __str__(self) -> str:
        return f"waiting for {self.subject}, {self.seconds:.0f} s so far"


class Aws:
    """AWS for one account, region and purpose. Safe to use from many threads.

    As a context manager, or with `close`, it leaves no thread and no connection. patience: seconds for an answer.
    unanswered: what it means that a call isn't answered.
    """

    FAILURES = (AwsError, Endless)  # what calls raise, and reading the pages of their answers

    def __init__(
        self,
        region: str,
        *,
        session: Any = None,
        endpoint_url: str | None = None,
        read_only: bool = False,
        patience: float = 0.0,
        clock: Clock | None = None,
        before_write: Callable[[], None] = lambda: None,
        on_wait: Callable[[Waiting], None] = lambda waiting: None,
        on_call: Callable[[Call], None] = lambda call: None,
        unanswered: Callable[[Unreachable], AwsError] = lambda error: error,
    ) -> None:
        self.region = region
        self.read_only = read_only
        self.clock = clock or SystemClock()
        self.before_write = before_write
        self.on_wait = on_wait
        self.on_call = on_call
        self.unanswered = unanswered
        self._clients = Clients(region, session, endpoint_url, _writes, lambda: self.before_write(), patience)
        self.shared = Shared()
        self._together = Together(CONNECTIONS)
        self._identity: Future[dict[str, Any]] | None = None
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._transfers = threading.BoundedSemaphore(TRANSFERS)
        self._paces: dict[str, Pace] = {}
        self._fresh = Fresh()

    def __enter__(self) -> Aws:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End its threads and close its connections. Another call opens them again."""
        self._together.close()
        self._clients.close()

    def told(self, on_call: Callable[[Call], None]) -> Aws:
        """The same way to AWS, whose calls are told to this listener."""
        aws = copy.copy(self)
        aws.on_call = on_call
        return aws

    def unguarded(self) -> Aws:
        """The same way to AWS, by the same credentials, for what holds the guard of writes: it asks nobody before it
        writes, and waits for no other call.
        """
        aws = copy.copy(self)
        aws.before_write, aws._slots = (lambda: None), threading.BoundedSemaphore(CONNECTIONS)
        return aws

    @property
    def sent_elsewhere(self) -> bool:
        """Whether S3 may have sent a request to another region, where it was answered as if it were this one."""
        return self._clients.sent_elsewhere

    def client(self, service: str) -> Any:
        """The one boto3 client of a service. For transfers; everything else uses `call`."""
        return self._clients.get(service)

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """Make one API call, repeated as `errors` says.

        operation: the API's name of it, such as `CreateRole`; params: its parameters.
        Raises AlreadyThere, Gone, Denied, Unreachable, AwsError; UserError for missing credentials; what
        `before_write` raises; Interrupted from the clock.
        """
        return self._repeat(service, operation, partial(self._once, service, operation, params))

    def find(self, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
        """Make a call as `call` does, with None for what doesn't exist."""
        try:
            return self.call(service, operation, **params)
        except Gone:
            return None

    def allowed(self, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
        """Make a call as `call` does, with None where the caller may not do it."""
        try:
            return self.call(service, operation, **params)
        except Denied:
            return None

    def ensure(self, service: str, operation: str, /, **params: Any) -> None:
        """Make a call that creates what may be there already: so when the answer is lost, it is made again."""
        try:
            self._repeat(service, operation, partial(self._once, service, operation, params), twice=True)
        except AlreadyThere:
            return

    def check_interrupted(self) -> None:
        """Ask between the many calls of one step whether to go on. Raises Interrupted."""
        self.clock.sleep(0)

    def put_object(self, *, ChecksumSHA256: str, **params: Any) -> dict[str, Any]:  # noqa: N803  the API's name
        """Make S3's call of this name as `call` does. The content isn't hashed, since its checksum is known."""
        params["ChecksumSHA256"] = ChecksumSHA256
        return self._repeat("s3", "PutObject", partial(self._once, "s3", "PutObject", params, client=UPLOAD))

    def conditional(self, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
        """Make a call on a condition (IfMatch), with None where that doesn't hold."""
        try:
            return self.call(service, operation, **params)
        except AwsError as error:
            if error.code in CHANGED:
                return None
            raise

    def pages(self, service: str, operation: str, key: str, /, **params: Any) -> Iterator[Any]:
        """All items under `key` of a paged answer."""
        for answer in self.answers(service, operation, **params):
            yield from answer.get(key) or ()

    def answers(self, service: str, operation: str, /, **params: Any) -> Iterator[Mapping[str, Any]]:
        """Each page of a paged answer, whole."""
        marks = dict(paging(service, operation))

        def page(following: Mapping[str, Any]) -> dict[str, Any]:
            return self.call(service, operation, **{**params, **following})

        try:
            yield from pages(page, marks)
        except Endless as error:
            raise Unreachable(service, operation, BROKEN_ANSWER, error.message, hint=error.hint) from None

    def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any] | None:
        """All items of a paged answer, with None for what doesn't exist."""
        try:
            return list(self.pages(service, operation, key, **params))
        except Gone:
            return None

    def together(self, *reads: Callable[[], T]) -> list[T]:
        """Run these at the same time; their results in order. An error is raised once none is under way any more."""
        return self._together.run(reads)

    def start(self, read: Callable[[], T]) -> Future[T]:
        """Run one read in the background."""
        return self._together.start(read)

    def each(self, read: Callable[[I], T], items: Iterable[I], *, at_once: int = 0) -> list[T]:
        """Run `read` for each item at the same time; the results in order. An error is raised as above.

        at_once: how many at a time; 0 for as many as there are connections.
        """
        return self._together.run([partial(read, item) for item in items], at_once)

    def transfer(
        self,
        method: str,
        /,
        *,
        moved: Callable[[int], object] = lambda count: None,
        still: Callable[[], object] = lambda: None,
        **params: Any,
    ) -> None:
        """An upload or download by boto3's transfer manager, which makes many calls of its own.

        moved: told of each piece, in bytes. still: raises once what is sent isn't any more what it was; asked at each
        piece and at the end. Raises AwsError; Interrupted, and nothing of it is left then.
        """

        def callback(count: int) -> None:
            self.check_interrupted()  # which ends the transfer
            still()
            moved(count)

        def move() -> dict[str, Any]:
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.parsers import ResponseParserError

            from reconciler.aws.upload import upload_file

            try:
                with self._transfers:
                    client = self.client(TRANSFER)
                    send = partial(upload_file, client) if method == "upload_file" else getattr(client, method)
                    send(**params, Callback=callback)
            except (Boto3Error, KeyError, ClientError, BotoCoreError, ResponseParserError) as error:
                cause = _behind(error)
                if interrupted(self.clock):  # by a callback, or beside it
                    raise Interrupted("interrupted") from None
                still()
                raise failed(
                    "s3", method, self.region, cause, fresh=self._fresh.names(params, self.clock.now())
                ) from None
            except OSError:  # of the file, as where it is gone
                still()
                raise
            still()
            return {}

        self._repeat("s3", method, move)

    @property
    def account(self) -> str:
        """The account's id, read once."""
        return str(self._who()["Account"])

    @property
    def caller(self) -> str:
        """The ARN of whose credentials these are, read once with the account."""
        return str(self._who()["Arn"])

    def _who(self) -> dict[str, Any]:
        with self._lock:
            is_first = self._identity is None
            identity = self._identity = self._identity or Future()
        if is_first:
            try:
                identity.set_result(self.call("sts", "GetCallerIdentity"))
            except BaseException as error:
                self._identity = None
                identity.set_exception(error)
        return identity.result()

    @property
    def partition(self) -> str:
        """`aws`, or the name of the partition that this region is in."""
        return partition_of(self.region).name

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account; IAM's have no region."""
        region = "" if service == "iam" else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def _repeat(
        self, service: str, operation: str, attempt: Callable[[], dict[str, Any]], *, twice: bool = False
    ) -> dict[str, Any]:
        """twice: that it is made a second time does no harm, whatever it is."""
        started = self.clock.now()

        def again(error: BaseException) -> bool:
            if not isinstance(error, Failed):
                return False
            if isinstance(error.error, Unreachable):
                error.error = self.unanswered(error.error)
            if isinstance(error.error, EmbeddedAwsEnded):
                return False
            if error.rule.fault is Fault.BROKEN:
                return twice or error.error.code == NOT_SENT or not operation.startswith(ONCE)
            return error.rule.fault in (Fault.NOT_YET, Fault.THROTTLED)

        def tell(state: tenacity.RetryCallState) -> None:
            failure = failure_of(state)
            why = f": {failure.cause}" if failure.cause else ""
            call = f"{service}:{operation} ({failure.error.code}{why})"
            self.on_wait(Waiting(call, self.clock.now() - started))

        # Most calls need no repetition: making ready for one takes a tenth of a call's time where many threads do it.
        try:
            return attempt()
        except Failed as error:
            first = error
        if not again(first):
            raise first.error from None
        import tenacity  # which loads Tornado, where that is installed

        attempts: Iterator[Callable[[], dict[str, Any]]] = chain((partial(_raise, first),), repeat(attempt))
        retrying = tenacity.Retrying(
            sleep=self.clock.sleep,
            wait=pause,
            stop=lambda state: self.clock.now() - started >= failure_of(state).rule.budget,
            retry=tenacity.retry_if_exception(again),
            before_sleep=tell,
            reraise=True,
        )
        try:
            return retrying(lambda: next(attempts)())
        except Failed as last:
            raise last.error from None

    def _once(self, service: str, operation: str, params: Mapping[str, Any], *, client: str = "") -> dict[str, Any]:
        """client: the name of the client, where it isn't the service's."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        from reconciler.aws.foreign import content

        of_aws = (ClientError, BotoCoreError, ResponseParserError)
        pace = self._paces.setdefault(service, Pace())
        subject = f"{service}, which asked for fewer calls"
        pace.wait(self.clock, lambda seconds: self.on_wait(Waiting(subject, seconds)))
        if _writes(operation) and self.read_only:
            raise ReconcilerError(f"a read-only command tried to call {service}:{operation}; please report this")
        if operation.startswith("Create"):
            # Before the call: if its answer is lost, it may have been made.
            self._fresh.add(params, self.clock.now())
        method = getattr(self._clients.get(client or service, operation), method_of(operation))
        began = self.clock.now()
        try:
            with self._slots:
                if _writes(operation):
                    self.before_write()  # not before its turn has come, which may be late
                answer: dict[str, Any] = method(**params)
                if "Body" in answer:
                    answer["Body"] = io.BytesIO(content(answer))
        except NoRole as error:  # the credentials have ended, and who gives new ones doesn't answer
            raise no_role(service, operation, error) from None
        except (*of_aws, *OF_CODE) as error:
            if not isinstance(error, of_aws) and not unread(error):
                self._clients.check()  # credentials are renewed while a call is signed: is it that?
                raise
            fresh = _writes(operation) and self._fresh.names(params, self.clock.now())
            failure = failed(service, operation, self.region, error, fresh=fresh)
            if isinstance(failure, Failed) and failure.rule.fault is Fault.THROTTLED:
                pace.throttled(began, self.clock.now())
            aws_error = failure.error if isinstance(failure, Failed) else None
            code, request_id = (aws_error.code, aws_error.request_id) if aws_error else (type(error).__name__, "")
            self.on_call(Call(service, operation, request_id, self.clock.now() - began, code))
            raise failure from None
        if (omission := undescribed(service, operation, answer)) is not None:
            raise omission
        if operation.startswith("Create"):
            self._fresh.add(answer, self.clock.now())
        self._fresh.see(service, answer, self.clock.now())
        request_id = answer.get("ResponseMetadata", {}).get("RequestId", "")
        self.on_call(Call(service, operation, request_id, self.clock.now() - began))
        return answer_of(service, operation, answer)


def _raise(error: Failed) -> dict[str, Any]:
    raise error


def _behind(error: Exception) -> Exception:
    """What the transfer manager met: it has errors of its own for that, and none for an answer without a part."""
    from boto3.exceptions import RetriesExceededError, S3UploadFailedError

    from reconciler.aws.foreign import Cut

    if isinstance(error, RetriesExceededError | KeyError):
        return Cut(str(getattr(error, "last_exception", f"it has no {error}")))
    # boto3 puts the error's text into its own, from which the code can't be told.
    cause = error.__context__ if isinstance(error, S3UploadFailedError) else error
    return cause if isinstance(cause, Exception) else error


def _writes(operation: str) -> bool:
    return not operation.startswith(READS)


__all__ = ["AlreadyThere", "Aws", "Clock", "Gone", "SystemClock", "Waiting"]
