"""What whoever runs a command may not read, all of it at once, as the policy to add.

A look at the account ends at the first thing that may not be read. When that happens everything is read once more,
each resource by itself, and of each is noted what was answered and what was denied. What couldn't be tried, since it
comes after something that was denied, is counted as missing too: reading needs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from reconciler.aws.calls import Aws
from reconciler.aws.errors import DENIED
from reconciler.aws.failures import Call
from reconciler.aws.iam_actions import action_of
from reconciler.config import Deploy
from reconciler.config.resource_names import Facts, Names
from reconciler.core.errors import Denied, MissingPermissions, ReconcilerError, UserError
from reconciler.core.given_data import Place
from reconciler.core.needs import ANYWHERE
from reconciler.core.run_paths import RUNS
from reconciler.engine.ownership_record import read_record
from reconciler.image.kind import EVERY_KIND
from reconciler.lower import resources
from reconciler.lower.account import read_facts
from reconciler.lower.existing import read_given
from reconciler.lower.given_data import read_place
from reconciler.permissions import policies, preflight
from reconciler.permissions.needs import NEEDS, statements
from reconciler.permissions.parts import APPLY, COMMANDS, OPTIONAL, PARTS, PLAN, RUN

ALWAYS_TRIED = frozenset(action for actions in OPTIONAL.values() for action in actions)
EXPLICIT = "explicit deny"
AUTHORIZED = "not authorized to perform"  # said of what is of the caller's own account
HEAD = "s3:ListBucket"  # of HeadBucket
Places = Mapping[str, Sequence[str]]  # action -> ARNs


@dataclass(frozen=True)
class Reading:
    """One thing that is read. needs: what reading it takes; fallback: where else, if it is denied."""

    read: Callable[[Aws], object]
    needs: Places
    fallback: Places = field(default_factory=dict)


class Tried(NamedTuple):
    """What came of a reading: actions that were denied, and those that were answered."""

    reading: Reading
    denied: set[str]
    answered: set[str]


def explain(aws: Aws, deploy: Deploy, command: str, first: Denied) -> ReconcilerError:
    """The error that says all that is missing. first: what was denied; given back where it is about something else,
    as a bucket of another account is.
    """
    names = Names(deploy, Facts(aws.account, aws.partition, "", ()))
    lacking: dict[str, set[str]] = {}
    denied_actions: set[str] = set()
    attempts = aws.each(partial(_try, aws), readings(names, command))
    bucket_error = _taken_bucket(aws, names, attempts)
    for reading, denied, answered in attempts:
        if bucket_error and _in_bucket(reading, names):  # which is said as what it is
            continue
        denied_actions |= denied
        for action in denied | (reading.needs.keys() - answered if denied else set()):
            for resource in reading.needs.get(action) or reading.fallback.get(action) or (ANYWHERE,):
                lacking.setdefault(resource, set()).add(action)
    if bucket_error and not lacking:
        return bucket_error
    if not lacking or (first.operation == "HeadBucket" and denied_actions == {"s3:ListBucket"}):
        return first
    caller = aws.caller
    principal = preflight.principal(caller) or caller
    message = (
        f"{principal} may not read all that `{command}` looks at: it was denied {', '.join(sorted(denied_actions))}"
    )
    if writes := _writes(aws, names, command, principal, lacking):
        lacks = {action for actions in writes.values() for action in actions}
        message += f"; it also lacks {', '.join(sorted(lacks))}"
    for resource, actions in writes.items():
        lacking[resource] = lacking.get(resource, set()) | actions
    document = json.dumps({"Version": "2012-10-17", "Statement": statements(lacking)}, indent=2)
    hint = f"add this policy (what couldn't be tried for it is in it too), and run the command again:\n{document}"
    if command in COMMANDS and not writes:
        hint += f"\nall that it needs: python -m reconciler permissions --for {command}"
    if EXPLICIT in first.reason:
        hint = f"AWS names an explicit deny, which no policy that allows can lift: {first.reason}\n{hint}"
    if bucket_error:
        return MissingPermissions(
            f"{bucket_error.message}; {message}; nothing was changed", hint=f"{bucket_error.hint}; {hint}", first=first
        )
    return MissingPermissions(f"{message}; nothing was changed", hint=hint, first=first)


def _taken_bucket(aws: Aws, names: Names, attempts: Iterable[Tried]) -> ReconcilerError | None:
    """That the bucket is another account's, as far as it can be told; None for one's own.

    Nothing that is asked of it is answered, and S3 doesn't say what permission is missing, which within an account it
    does. Whoever may list the account's buckets knows for sure.
    """
    about = [attempt for attempt in attempts if HEAD in attempt.denied and _in_bucket(attempt.reading, names)]
    if not about or any(attempt.answered for attempt in about):
        return None
    try:
        aws.call("s3", "GetBucketVersioning", Bucket=names.bucket)
        return None
    except Denied as error:
        if AUTHORIZED in error.reason:
            return None
        region = f", in {error.bucket_region}" if error.bucket_region else ""
    listed = aws.allowed("s3", "ListBuckets", Prefix=names.bucket)
    if any(bucket["Name"] == names.bucket for bucket in (listed or {}).get("Buckets", ())):
        return None
    sure = "is" if listed is not None else "is most likely"
    hint = "choose another name in deploy.yaml under data.bucket.name"
    if listed is None:
        hint += "; if the bucket is yours, `python -m reconciler permissions` prints what to allow"
    message = f"the bucket name {names.bucket!r} {sure} taken by another AWS account{region}"
    return UserError(f"{message} (names are unique in all of AWS)", hint=hint)


def _in_bucket(reading: Reading, names: Names) -> bool:
    """Whether all that a reading needs is on the bucket and what is in it."""
    arn = f"arn:{names.facts.partition}:s3:::{names.bucket}"
    places = [place for resources in reading.needs.values() for place in resources]
    return bool(places) and all(place == arn or place.startswith(f"{arn}/") for place in places)


def readings(names: Names, command: str) -> list[Reading]:
    """All that a command reads before it writes, one by one."""
    deploy = names.deploy
    kinds = {kind.spec.kind: kind for kind in EVERY_KIND}
    reads = [
        Reading(lambda aws: read_facts(aws, deploy), _of_parts(names, PLAN, "lower.account")),
        Reading(lambda aws: read_given(aws, deploy), _of_parts(names, PLAN, "lower.existing", "kinds.ssm_parameter")),
        *(Reading(partial(read_place, place=place), needs) for place, needs in _given(names)),
        Reading(lambda aws: read_record(aws, deploy.name), _of_parts(names, PLAN, "engine.ownership_record")),
    ]
    for spec in resources(names):
        places = policies.of_kind(spec, NEEDS[spec.kind].read, names)
        reads.append(Reading(partial(_observe, kinds[spec.kind], spec), _places(places)))
    if command == APPLY:
        runs = {"s3:GetObject": [f"arn:{names.facts.partition}:s3:::{names.bucket}/{RUNS}/*"]}
        reads.append(Reading(partial(_read_runs, names), runs, _of_parts(names, RUN)))
    return reads


def _given(names: Names) -> Iterable[tuple[Place, Places]]:
    """Data that is in S3 already, with what listing it takes."""
    for file in names.deploy.data.given:
        bucket = f"arn:{names.facts.partition}:s3:::{file.place.bucket}"
        yield file.place, {"s3:ListBucket": [bucket]}


def _observe(kind: object, spec: object, aws: Aws) -> object:
    return kind.observe(aws, [spec])  # type: ignore[attr-defined]


def _read_runs(names: Names, aws: Aws) -> object:
    return aws.find("s3", "GetObject", Bucket=names.bucket, Key=f"{RUNS}/fingerprints/none.json")


def _try(aws: Aws, reading: Reading) -> Tried:
    """What came of a reading. Nothing counts as denied if the reading did without it."""
    calls: list[Call] = []
    try:
        reading.read(aws.told(calls.append))
        return Tried(reading, set(), set())
    except Denied as error:
        denied = {action_of(error.service, error.operation)}
    except ReconcilerError:
        return Tried(reading, set(), set())
    denied |= {_action(call) for call in calls if call.error in DENIED}
    return Tried(reading, denied - ALWAYS_TRIED, {_action(call) for call in calls if call.error not in DENIED})


def _action(call: Call) -> str:
    return action_of(call.service, call.operation)


def _of_parts(names: Names, command: str, *modules: str) -> Places:
    parts = [part for part in PARTS if command in part.commands and (not modules or set(modules) & {*part.modules})]
    return _places(grant for part in parts for grant in policies.of_part(part, names))


def _places(grants: Iterable[policies.Grant]) -> Places:
    by_action: dict[str, list[str]] = {}
    for grant in sorted(grants):
        by_action.setdefault(grant.action, []).append(grant.resource)
    return by_action


def _writes(
    aws: Aws, names: Names, command: str, principal: str, lacking: Mapping[str, set[str]]
) -> dict[str, set[str]]:
    """What else the command may need and whoever runs it lacks, if IAM may be asked that."""
    if command not in COMMANDS or preflight.principal(principal) is None:
        return {}
    missing = preflight.denied(aws, principal, policies.for_command(command, names, resources(names))).missing
    return {
        resource: new_actions
        for resource, actions in missing.items()
        if (new_actions := actions - lacking.get(resource, set()))
    }
