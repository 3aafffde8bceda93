"""Who makes a request with credentials of the embedded IAM, what their policies allow, and the keys that tasks get."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.utils import utcnow
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, sts_backends

from reconciler.core import plain_json
from reconciler.local.keys import Keys
from reconciler.local.task import Task
from reconciler.permissions.judge import Context, Decision, Document, conditions_hold, decide, names_principal

SESSION_SECONDS = 6 * 3600
SERVICE = "ecs-tasks.amazonaws.com"


@dataclass(frozen=True)
class Identity:
    """A role in one session, such as a task, or a user, whose `session` is empty."""

    account_id: str
    principal_arn: str
    session: str

    @property
    def arn(self) -> str:
        """How AWS names it in a refusal."""
        if not self.session:
            return self.principal_arn
        partition, name = partition_in(self.principal_arn), self.principal_arn.split("/")[-1]
        return f"arn:{partition}:sts::{self.account_id}:assumed-role/{name}/{self.session}"


def task_role(task: Task) -> str | None:
    """The ARN of the role that the task's program acts as."""
    role_arn = task.launch.overrides.get("taskRoleArn") or getattr(task.launch.definition, "task_role_arn", None)
    return str(role_arn) if role_arn else None


def execution_role(task: Task) -> str | None:
    """The ARN of the role with which ECS pulls the image, reads secrets and writes the log."""
    role_arn = task.launch.overrides.get("executionRoleArn") or getattr(
        task.launch.definition, "execution_role_arn", None
    )
    return str(role_arn) if role_arn else None


def why_not_assumable(role_arn: str, service: str = SERVICE) -> str | None:
    """ECS's words for a role that it (or another service) can't take, or None."""
    trust, account = {}, role_arn.split(":")[4]
    with contextlib.suppress(NotFoundException, KeyError):
        trust = _document(iam_of(role_arn).get_role_by_arn(role_arn).assume_role_policy_document)
    statements = trust.get("Statement") or []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        services = principal.get("Service") if isinstance(principal, Mapping) else None
        names_service = service in (services if isinstance(services, list) else [services])
        holds = conditions_hold(statement.get("Condition") or {}, {"aws:sourceaccount": account}, unknown=True)
        if names_service and holds and statement.get("Effect") == "Allow":
            return None
    return (
        f"ECS was unable to assume the role '{role_arn}' that was provided for this task. Please verify that the role "
        "being passed has the proper trust relationship and permissions and that your IAM user has permissions to "
        "pass this role."
    )


def judge(identity: Identity, action: str, resource: str, context: Context | None = None) -> Decision:
    """What the role's policies say now, together with the bucket's policy where the resource is in S3."""
    by_identity = decide(_policies(identity), action, resource, context)
    by_bucket = decide(_bucket_policy(identity, resource), action, resource, context)
    if "denied" in (by_identity, by_bucket):
        return "denied"
    return "allowed" if "allowed" in (by_identity, by_bucket) else "not allowed"


def may_become(identity: Identity, role_arn: str) -> bool:
    """Whether a role's trust policy, and the policies of who asks, let it assume the role."""
    try:
        role = iam_of(role_arn).get_role_by_arn(role_arn)
    except (NotFoundException, IndexError, KeyError):
        return False
    statements = _document(role.assume_role_policy_document).get("Statement") or []
    matching = [
        {**statement, "Resource": "*"}
        for statement in (statements if isinstance(statements, list) else [statements])
        if names_principal(statement, identity.principal_arn, identity.account_id)
    ]
    trusted = decide([{"Statement": matching}], "sts:AssumeRole", role_arn)
    by_identity = decide(_policies(identity), "sts:AssumeRole", role_arn)
    by_name = any(_names(statement.get("Principal"), identity.principal_arn) for statement in matching)
    return trusted == "allowed" and (by_identity == "allowed" or (by_name and by_identity == "not allowed"))


def refusal(
    identity: Identity, action: str, resource: str, context: Context | None = None, *, unless_denied: bool = False
) -> str | None:
    """AWS's message when the role may not do this; None when it may. unless_denied: it may unless that is denied."""
    decision = judge(identity, action, resource, context)
    if decision == "allowed" or (unless_denied and decision == "not allowed"):
        return None
    why = (
        f"because no identity-based policy allows the {action} action"
        if decision == "not allowed"
        else "with an explicit deny in an identity-based or resource-based policy"
    )
    quoted = f'"{resource}"' if resource.split(":")[2:3] == ["s3"] else resource or "*"
    return f"User: {identity.arn} is not authorized to perform: {action} on resource: {quoted} {why}"


class Identities:
    """The credentials that running tasks and functions have. Safe for many threads."""

    def __init__(self) -> None:
        self._by_key: dict[str, tuple[Identity, AssumedRole]] = {}
        self._by_session: dict[str, str] = {}
        self._lock = threading.Lock()

    def issue(self, task: Task) -> dict[str, str]:
        """Environment variables with the task role's credentials; none for a task without a role."""
        role_arn = task_role(task)
        return self.assume(role_arn, task.id) if role_arn else {}

    def assume(self, role_arn: str, session: str) -> dict[str, str]:
        """Environment variables with a role's credentials, until `release`."""
        account_id = role_arn.split(":")[4]
        role = sts_backends[account_id][partition_in(role_arn)].assume_role(
            region_name="us-east-1",
            role_session_name=session,
            role_arn=role_arn,
            policy="",
            duration=SESSION_SECONDS,
            external_id="",
        )
        with self._lock:
            self._by_key[role.access_key_id] = (Identity(account_id, role_arn, session), role)
            self._by_session[session] = role.access_key_id
        return {
            "AWS_ACCESS_KEY_ID": role.access_key_id,
            "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
            "AWS_SESSION_TOKEN": role.session_token,
        }

    def release(self, session: str) -> None:
        """Take its credentials back."""
        with self._lock:
            key = self._by_session.pop(session, None)
            identity, role = self._by_key.pop(key, (None, None)) if key else (None, None)
        if identity is None or key is None:
            return
        with contextlib.suppress(ValueError):  # gone with a reset
            backend = sts_backends[identity.account_id][partition_in(identity.principal_arn)]
            backend.assumed_roles.remove(role)  # type: ignore[arg-type]
        iam_of(identity.principal_arn).access_keys.pop(key, None)

    def keys(self, access_key_id: str) -> Keys | None:
        """The secret and token of a key that the embedded IAM or STS made and that is valid still; else None."""
        with self._lock:
            session = self._by_key.get(access_key_id)
        if session:
            return _of_session(session[1])
        for account_id, partition, iam in _every_iam():
            key = iam.access_keys.get(access_key_id)
            if key is None:
                continue
            if key.role_arn:
                role = sts_backends[account_id][partition].get_assumed_role_from_access_key(access_key_id)
                return _of_session(role) if role is not None else None
            active = key.user_name and key.status == "Active"
            return Keys(access_key_id, str(key.secret_access_key)) if active else None
        return None

    def find(self, access_key_id: str) -> Identity | None:
        """Whose key this is; None for a key that the embedded IAM didn't make."""
        with self._lock:
            session = self._by_key.get(access_key_id)
        if session:
            return session[0]
        for account_id, _, iam in _every_iam():
            key = iam.access_keys.get(access_key_id)
            if key is not None and key.role_arn:
                return Identity(account_id, key.role_arn, "session")
            if key is not None and key.user_name:
                return Identity(account_id, iam.get_user(key.user_name).arn, "")
        return None


def partition_in(arn: str) -> str:
    """The partition that an ARN names."""
    return arn.split(":")[1]


def iam_of(arn: str) -> Any:
    """The IAM that an ARN's account and partition have. Raises KeyError where there is no such partition."""
    return iam_backends[arn.split(":")[4]][partition_in(arn)]


def _every_iam() -> list[tuple[str, str, Any]]:
    """(account, partition, IAM) of all that are in use."""
    return [(name, part, iam) for name, account in list(iam_backends.items()) for part, iam in list(account.items())]


def _of_session(role: AssumedRole) -> Keys | None:
    """The keys of a session, until it ends."""
    if role.expiration < utcnow():
        return None
    return Keys(str(role.access_key_id), str(role.secret_access_key), str(role.session_token))


def _names(principal: Any, arn: str) -> bool:
    """Whether a statement's principal is this very one, and not the account or everybody."""
    names = principal.get("AWS") if isinstance(principal, Mapping) else None
    return arn in (names if isinstance(names, list) else [names])


def _document(text: Any) -> dict[str, Any]:
    try:
        value = plain_json.parse(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _policies(identity: Identity) -> Sequence[Document]:
    iam = iam_of(identity.principal_arn)
    holders: list[Any]
    try:
        if identity.session:
            holders = [iam.get_role_by_arn(identity.principal_arn)]
        else:
            name = identity.principal_arn.split("/")[-1]
            holders = [iam.get_user(name), *iam.get_groups_for_user(name)]
    except NotFoundException:
        return []
    texts: list[str] = []
    for holder in holders:
        texts += list(holder.policies.values())
        for policy in list(holder.managed_policies.values()):
            texts += [str(v.document) for v in policy.versions if v.version_id == policy.default_version_id]
    return [_document(text) for text in texts]


def _bucket_policy(identity: Identity, resource: str) -> list[Document]:
    from moto.s3.models import s3_backends

    _, _, place = resource.partition(":s3:::")
    if not place:
        return []
    bucket = s3_backends[identity.account_id][partition_in(resource)].buckets.get(place.split("/")[0])
    if bucket is None or not bucket.policy:
        return []
    statements = _document(bucket.policy.decode()).get("Statement") or []
    statements = statements if isinstance(statements, list) else [statements]
    matching = [item for item in statements if names_principal(item, identity.principal_arn, identity.account_id)]
    return [{"Statement": matching}]
