"""Where moto is put right: the list of all corrections, and those of EC2, Logs, IAM and of moto's own machinery.

Each touches one of moto's insides. tests/local/test_moto_insides.py fails when one of them changes its name, and
tests/local/test_corrections_needed.py when moto does by itself what a correction is there for. What isn't in the list
is no correction: ECS's tasks and services are operations of our own (ecs_tasks, ecs_services), and what a request may
do is judged before moto sees it (request_judge, authorize, plain_requests).
"""

from __future__ import annotations

import copy
import functools
import re
import threading
from typing import Any

from moto import backends
from moto.core import responses, serialize
from moto.core.responses import EmptyResult
from moto.core.utils import method_names_from_class
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend, security_groups
from moto.ecr.models import ecr_backends
from moto.iam.responses import IamResponse
from moto.logs.models import LogStream
from moto.logs.responses import LogsResponse
from moto.moto_server.werkzeug_app import BackendRequest
from moto.ssm.responses import SimpleSystemManagerResponse
from werkzeug.routing import Rule
from werkzeug.wrappers import Request

from reconciler.core.clock import moment_of
from reconciler.local import (
    ecs_control,
    functions,
    iam_corrections,
    image_expiry,
    lambda_attached,
    lambda_corrections,
    log_patterns,
    managed_instances,
    parameter_expiry,
    rules,
    s3_content,
    s3_corrections,
    s3_versions,
    sizes,
)
from reconciler.local.correction import Correction

PAGE_BYTES = 2**20
EVENT_OVERHEAD = 26


def _one_rule_is_compiled_at_a_time() -> None:
    """CPython 3.11 counts in one place for all threads how deep it is in making an `ast`, so that two at once fail now
    and then: "SystemError: AST constructor recursion depth mismatch". moto makes a service's rules in whichever thread
    has its first request.
    """
    original: Any = Rule._compile_builder
    lock = threading.Lock()

    def compile_builder(self: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return original(self, *args, **kwargs)

    Rule._compile_builder = compile_builder  # type: ignore[method-assign]


def _a_request_goes_with_its_answer() -> None:
    """Flask, which moto has in debug mode, makes a class for each request that has a body: it and the request hold each
    other, so that the body stays in memory until the garbage collector comes.
    """
    BackendRequest._load_form_data = Request._load_form_data  # type: ignore[method-assign]


def _its_own_code_is_looked_at_once() -> None:
    """moto lists its own folder twice for each request, and its class's methods: a third of the time of an answer."""
    modules = frozenset(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    methods: Any = functools.cache(method_names_from_class)
    responses.method_names_from_class = methods  # type: ignore[attr-defined]


def _times_are_read_by_their_form() -> None:
    """moto writes each time of an answer by guessing from its text which form that has: a fifth of a long listing."""
    guess: Any = serialize.parse_to_aware_datetime  # type: ignore[attr-defined]
    serialize.parse_to_aware_datetime = lambda value: moment_of(value) or guess(value)  # type: ignore[attr-defined]


def _default_vpcs_have_a_way_out() -> None:
    """The default VPC has an internet gateway, to which its main route table leads."""
    original: Any = EC2Backend.create_default_vpc

    def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        vpc = original(self, *args, **kwargs)
        gateway = self.create_internet_gateway()
        self.attach_internet_gateway(gateway.id, vpc.id)
        for table in self.describe_route_tables(filters={"vpc-id": [vpc.id], "association.main": ["true"]}):
            self.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)
        return vpc

    EC2Backend.create_default_vpc = create  # type: ignore[method-assign]


def _answers_one_at_a_time(service: Any) -> None:
    """moto's IAM walks over all policies while another thread adds one, and ends with RuntimeError. Its SSM lists a
    parameter and then doesn't find it, since another thread has deleted it, and two at once may make the same one.
    """
    original: Any = service._dispatch
    lock = threading.Lock()

    def dispatch(self: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return original(self, *args, **kwargs)

    service._dispatch = dispatch


def _log_pages_end_at_one_megabyte() -> None:
    """GetLogEvents from the head gives at most 1 MB, and the token for the rest; moto gives it all. Some events are
    shown later than they are stored, and of a stream whose events are late it is told that there are any (task_log).
    """
    original: Any = LogStream.get_log_events
    described: Any = LogStream.to_describe_dict

    def describe(self: Any) -> dict[str, Any]:
        description: dict[str, Any] = described(self)
        first = self.sent() if hasattr(self, "sent") else None
        return description if first is None else {"firstEventTimestamp": first, **description}

    def get(self: Any, start_time: Any, end_time: Any, limit: Any, next_token: str | None, start_from_head: Any) -> Any:
        stream = self
        if hasattr(self, "shown"):
            stream = copy.copy(self)
            stream.events = self.events[: self.shown()]
        events, backward, forward = original(stream, start_time, end_time, limit, next_token, start_from_head)
        if not (str(next_token).startswith("f/") or (next_token is None and start_from_head)):
            return events, backward, forward
        size = 0
        for number, event in enumerate(events):
            size += len(event["message"].encode()) + EVENT_OVERHEAD
            if size > PAGE_BYTES and number > 0:
                last = int(str(forward)[2:]) - (len(events) - number)  # the token is the number of the last event
                return events[:number], backward, f"f/{last:056d}"
        return events, backward, forward

    LogStream.get_log_events = get  # type: ignore[method-assign]
    LogStream.to_describe_dict = describe  # type: ignore[method-assign]


def _log_groups_have_identifiers() -> None:
    """A log group may be given by its name or ARN as logGroupIdentifier, as `aws logs tail` does."""
    original: Any = LogsResponse._get_param

    def get_param(self: Any, name: str, *default: Any) -> Any:
        if name == "logGroupIdentifier":
            return None  # it is the name then
        value = original(self, name, *default)
        if name != "logGroupName" or value is not None:
            return value
        identifier = str(original(self, "logGroupIdentifier") or "")
        return identifier.partition(":log-group:")[2].removesuffix(":*") or identifier or None

    LogsResponse._get_param = get_param  # type: ignore[assignment, method-assign]


def find_digest(account_id: str, region: str, repository: str, tag: str | None, digest: str | None) -> str | None:
    """The digest of an image that ECR has under this tag or digest, or None."""
    ecr_repository = ecr_backends[account_id][region].repositories.get(repository)
    for image in ecr_repository.images if ecr_repository is not None else ():
        image_digest = str(image.get_image_digest())
        if (digest is None or image_digest == digest) and (digest is not None or tag in image.image_tags):
            return image_digest
    return None


def _security_groups_in_use_stay() -> None:
    original: Any = EC2Backend._delete_security_group

    def delete(self: Any, vpc_id: str | None, group_id: str) -> None:
        if any(group_id in [group.id for group in eni.group_set] for eni in list(self.enis.values())):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        original(self, vpc_id, group_id)

    EC2Backend._delete_security_group = delete  # type: ignore[method-assign]


def _security_groups_have_a_vpc() -> None:
    original: Any = EC2Backend.create_security_group

    def create(self: Any, name: str, description: str, vpc_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if vpc_id and vpc_id not in self.vpcs:
            raise EC2ClientError("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
        return original(self, name, description, vpc_id, *args, **kwargs)

    EC2Backend.create_security_group = create  # type: ignore[method-assign]


def _filters_are_wildcards() -> None:
    """EC2 reads `*`, `?` and `\\` in a filter, moto a regular expression: `a (b)` isn't found, and `[` fails."""

    def matches(pattern: str, text: Any) -> bool:
        parts = re.findall(r"\\?.", pattern, re.DOTALL)
        wild = {"*": ".*", "?": "."}
        return (
            re.fullmatch("".join(wild.get(part, re.escape(part[-1])) for part in parts), str(text), re.DOTALL)
            is not None
        )

    security_groups.aws_api_matches = matches  # type: ignore[assignment, attr-defined]


def _oidc_audiences_change() -> None:
    """moto knows an OpenID Connect provider's audiences, and not the two operations that change them."""

    def change(self: Any, add: bool) -> EmptyResult:
        provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
        audience = self._get_param("ClientID")
        audiences = [client_id for client_id in provider.client_id_list if client_id != audience]
        provider.client_id_list = [*audiences, audience] if add else audiences
        return EmptyResult()

    for name, add in (("add_client_id_to", True), ("remove_client_id_from", False)):
        setattr(IamResponse, f"{name}_open_id_connect_provider", lambda self, add=add: change(self, add))


LOGS = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_"
MOTO = "https://github.com/getmoto/moto/blob/master/moto/"
OWN = (
    Correction(
        "security groups in use stay",
        "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html",
        _security_groups_in_use_stay,
    ),
    Correction(
        "a security group is of a VPC that is there",
        "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html",
        _security_groups_have_a_vpc,
    ),
    Correction(
        "filters are wildcards",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html",
        _filters_are_wildcards,
    ),
    Correction("log pages end at one megabyte", f"{LOGS}GetLogEvents.html", _log_pages_end_at_one_megabyte),
    Correction("log groups have identifiers", f"{LOGS}FilterLogEvents.html", _log_groups_have_identifiers),
    Correction(
        "an OpenID Connect provider's audiences change",
        "https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html",
        _oidc_audiences_change,
    ),
    Correction(
        "IAM answers one at a time", f"{MOTO}iam/models.py", functools.partial(_answers_one_at_a_time, IamResponse)
    ),
    Correction(
        "SSM answers one at a time",
        f"{MOTO}ssm/models.py",
        functools.partial(_answers_one_at_a_time, SimpleSystemManagerResponse),
    ),
    Correction(
        "default VPCs have a way out",
        "https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html",
        _default_vpcs_have_a_way_out,
    ),
    Correction("times are read by their form", f"{MOTO}core/serialize.py", _times_are_read_by_their_form),
    Correction("moto's own code is looked at once", f"{MOTO}backends.py", _its_own_code_is_looked_at_once),
    Correction(
        "one rule is compiled at a time",
        "https://github.com/python/cpython/issues/106905",
        _one_rule_is_compiled_at_a_time,
    ),
    Correction(
        "a request goes with its answer", f"{MOTO}moto_server/werkzeug_app.py#debug", _a_request_goes_with_its_answer
    ),
)


def every(caller: functions.Functions) -> tuple[Correction, ...]:
    """Every correction of moto, in the order in which they are put in. caller: what calls functions."""
    return (
        *OWN,
        *iam_corrections.CORRECTIONS,
        *image_expiry.CORRECTIONS,
        *lambda_corrections.CORRECTIONS,
        *lambda_attached.CORRECTIONS,
        *log_patterns.CORRECTIONS,
        *s3_corrections.CORRECTIONS,
        *s3_content.CORRECTIONS,
        *s3_versions.CORRECTIONS,
        *sizes.CORRECTIONS,
        *parameter_expiry.CORRECTIONS,
        *ecs_control.CORRECTIONS,
        *managed_instances.CORRECTIONS,
        *rules.corrections(caller),
        *functions.corrections(caller),
    )
