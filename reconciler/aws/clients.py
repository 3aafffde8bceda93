"""botocore's clients, one for each service, made when they are first used and shared by all threads.

boto3 itself is loaded for transfers only: with what it brings it costs as much time as all of a plan's reads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from reconciler import __version__
from reconciler.aws.credentials import LOOPBACK, NoRole, ask_for_code, check
from reconciler.aws.failures import of_configuration
from reconciler.core.clock import moment_of
from reconciler.core.errors import UserError

TRANSFER = "s3-transfer"  # the S3 client of boto3's transfer manager
UPLOAD = "s3-upload"  # the S3 client of uploads by one call
# Whose calls have a checksum, which is signed: so that their content isn't hashed once more for the signature.
UNSIGNED_CONTENT = (TRANSFER, UPLOAD)
# Operations that answer in pages, and that botocore has no paginator for.
UNLISTED = {"DescribeCapacityProviders": [("nextToken", "nextToken")]}
# That are open at a time, and so requests in flight: at 40 ms a request, as many as one process can make and read.
CONNECTIONS = 64
# How S3 answers what is another region's: it sends there, or doesn't know the signature, which is the region's own.
# A 400 for another reason costs a read and no more.
ELSEWHERE = (301, 302, 307, 400)


class Clients:
    """The clients of one region. before_write: called before each write of the transfer manager.

    session: botocore's or boto3's; None for the one that the environment describes.
    """

    def __init__(
        self,
        region: str,
        session: Any,
        endpoint_url: str | None,
        is_write: Callable[[str], bool],
        before_write: Callable[[], None],
        patience: float = 0.0,
    ) -> None:
        self._patience = patience
        self._region, self._session, self._endpoint_url = region, session, endpoint_url
        self._is_write, self._before_write = is_write, before_write
        self._refusal: UserError | NoRole | None = None  # that the credentials can't work
        self._looked = False
        self.sent_elsewhere = False  # some request to S3 may have been sent to another region
        self._clients: dict[str, Any] = {}
        self._replaced: list[Any] = []
        self._lock = threading.Lock()

    def get(self, service: str, operation: str = "") -> Any:
        """The client of a service, which has this operation. Sessions aren't thread-safe, so they are made by turns."""
        if (client := self._clients.get(service)) is not None and _has(client, operation):
            return client
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            if not _has(self._clients[service], operation):
                self._replaced.append(self._clients[service])  # another thread may be using it
                self._session.get_component("data_loader").whole.add(service)
                self._clients[service] = self._make(service)
            return self._clients[service]

    def check(self) -> None:
        """Look for the credentials again. Raises UserError where they can't work."""
        with self._lock:
            check(self._session)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients, self._replaced = [*self._clients.values(), *self._replaced], {}, []
        for client in clients:
            client.close()

    def _make(self, service: str) -> Any:
        if self._refusal is not None:
            raise self._refusal  # what can't succeed isn't tried again
        try:
            self._prepare()
        except (UserError, NoRole) as error:
            self._refusal = error
            raise
        from botocore.config import Config

        from reconciler.aws.foreign import head, refuse

        loopback = urlsplit(self._endpoint_url or "").hostname in LOOPBACK
        s3: dict[str, Any] = {"addressing_style": "path"} if self._endpoint_url else {}
        if service in UNSIGNED_CONTENT:
            s3["payload_signing_enabled"] = False
        config = Config(
            proxies={} if loopback else None,  # no proxy has a way to this machine
            # A transfer's calls aren't made one by one by `Aws.call`, so botocore retries those.
            retries={"total_max_attempts": 6 if service == TRANSFER else 1, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            connect_timeout=self._patience or 10,
            read_timeout=self._patience or 60,
            s3=s3 or None,
            user_agent_extra=f"reconciler/{__version__}",
        )
        name = "s3" if service in UNSIGNED_CONTENT else service
        with understood():
            client = self._maker(service)(
                name, region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )
        client.meta.events.register("before-parse", refuse)
        client.meta.events.register("after-call.s3.HeadObject", head)
        # Before botocore goes there, which it does without a word, and from then on at once.
        client.meta.events.register_first("needs-retry.s3", self._see)
        if service == UPLOAD:
            client.meta.events.register_last("before-call.s3", _at_once)
        if service == TRANSFER:
            client.meta.events.register("before-call.s3", self._check)
            for operation in ("PutObject", "CompleteMultipartUpload"):
                client.meta.events.register_first(f"needs-retry.s3.{operation}", _not_again)
        return client

    def _prepare(self) -> None:
        """Have a session, an endpoint and credentials that can work. Raises UserError."""
        if self._looked:
            return
        urls = {"AWS_ENDPOINT_URL": self._endpoint_url} if self._endpoint_url else {}
        if not urls and self._session is None:
            urls = {name: value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL_") and value}
        for name, url in urls.items():
            if not _is_address(url):
                hint = f"write it with its scheme, such as {name}=http://127.0.0.1:4566"
                raise UserError(f"{name}: {url!r} is no URL", hint=hint)
        if self._session is None:
            self._session = new_session(region=self._region)
        check(self._session)
        self._looked = True

    def _maker(self, service: str) -> Any:
        if hasattr(self._session, "client"):
            return self._session.client
        if service == TRANSFER:
            import boto3

            return boto3.session.Session(botocore_session=self._session).client
        return self._session.create_client

    def _see(self, response: tuple[Any, Any] | None, **kwargs: Any) -> None:
        if response is not None and response[0].status_code in ELSEWHERE:
            self.sent_elsewhere = True

    def _check(self, model: Any, **kwargs: Any) -> None:
        if self._is_write(model.name):
            self._before_write()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _at_once(params: dict[str, Any], **kwargs: Any) -> None:
    """Send a short content with its request, and don't wait first until S3 says that it wants it."""
    params["headers"].pop("Expect", None)


def _not_again(caught_exception: Exception | None, **kwargs: Any) -> None:
    """Called before botocore repeats what makes an object: after a lost answer, look first whether it is there."""
    if caught_exception is not None:
        raise caught_exception


@contextmanager
def understood() -> Iterator[None]:
    """What is wrong with AWS's configuration on this machine is the user's to put right. Raises UserError."""
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except (BotoCoreError, ValueError) as error:  # ValueError: an address that is none
        raise of_configuration(error, "AWS's configuration") from None


def new_session(*keys: str, region: str = "") -> Any:
    """A session of botocore's: with this access key and secret and nothing else, or what the environment says.

    region: in which a role is asked for that a CI job takes, or a profile that says none.
    """
    # Takes 0.1 s, so only when AWS is used.
    from botocore.session import Session

    from reconciler.aws.job_role import take_roles
    from reconciler.aws.service_models import Models, cache_folder

    with understood():
        session = Session(session_vars=_isolated_settings() if keys else None)
        default = session.get_component("data_loader")
        session.register_component("data_loader", Models(default.search_paths, cache_folder()))
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
        if keys:
            session.set_credentials(*keys)
        else:
            provider = session.get_component("credential_provider").get_provider("assume-role")
            provider._prompter = ask_for_code  # botocore's own asks where nobody is
            if region and session.get_config_variable("region") is None:  # where a profile's role is asked for
                session.set_config_variable("region", region)
            take_roles(session, os.environ, region)
    return session


def _moment(text: Any) -> datetime:
    """A time of an answer. To guess its form, as botocore does, is a quarter of the work of a long listing."""
    from botocore.utils import parse_timestamp

    moment: datetime = moment_of(text) or parse_timestamp(text)
    return moment


def _isolated_settings() -> dict[str, tuple[None, None, Any, Any]]:
    """botocore's settings with their defaults: neither the environment nor ~/.aws is asked."""
    from botocore.session import Session

    variables = {name: (None, None, setting[2], setting[3]) for name, setting in Session.SESSION_VARIABLES.items()}
    return variables | dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))


def _has(client: Any, operation: str) -> bool:
    return not operation or hasattr(client, method_of(operation))


def method_of(operation: str) -> str:
    """boto3's name of an operation."""
    from botocore import xform_name

    return str(xform_name(operation))


@cache
def _paged(service: str) -> Mapping[str, Any]:
    """botocore's table of a service's operations that answer in pages."""
    from botocore.exceptions import DataNotFoundError, UnknownServiceError

    from reconciler.aws.service_models import Models

    more = os.environ.get("AWS_DATA_PATH")
    try:
        table = Models(more.split(os.pathsep) if more else [], None).load_service_model(service, "paginators-1")
    except (DataNotFoundError, UnknownServiceError):
        return {}
    operations: Mapping[str, Any] = table["pagination"]
    return operations


def paging(service: str, operation: str) -> list[tuple[str, str]]:
    """(input token, output token) pairs of a paged operation, from botocore's tables, or ours for what they lack."""
    if (config := _paged(service).get(operation)) is None:
        return UNLISTED.get(operation, [])
    inputs, outputs = config["input_token"], config["output_token"]
    if isinstance(inputs, str):
        inputs, outputs = [inputs], [outputs]
    return [(sent, str(received).split(" || ")[0]) for sent, received in zip(inputs, outputs, strict=True)]
