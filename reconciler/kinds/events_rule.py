"""EventBridge rules of the default bus, with their targets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import JsonText
from reconciler.core.errors import AwsError
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Observed, Spec, Value, touches
from reconciler.kinds.base import Kind


class RuleTarget(Value):
    """Where events go."""

    id: str
    arn: str
    other: JsonText = ""  # everything else that it has: what is made of an event, for instance

    @property
    def identity(self) -> str:
        """Paired by id."""
        return self.id


class RuleSpec(Spec):
    """A rule. It owns its targets: what isn't wanted is taken away."""

    kind: ClassVar[str] = "rule"
    uses: ClassVar[tuple[str, ...]] = ("role", "queue", "topic", "function")

    pattern: JsonText = ""
    state: str = "ENABLED"
    description: str = ""
    targets: Annotated[tuple[RuleTarget, ...], Grants()] = ()
    expression: str = ""  # of a rule that fires by time
    role: Annotated[str, Grants()] = ""


class Rule(Kind[RuleSpec]):
    """Reads and writes rules."""

    spec: ClassVar[type[Spec]] = RuleSpec
    needs: ClassVar[Needs] = Needs(
        create=("events:PutRule", "events:TagResource"),
        delete=("events:DeleteRule", "events:ListTargetsByRule", "events:RemoveTargets"),
        set={"targets": ("events:PutTargets",)},
        fields={"targets": ("events:RemoveTargets",), "tags": ("events:TagResource", "events:UntagResource"),
                "": ("events:PutRule",)},
        read=("events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"),
        on=("events:rule/{name}",), listing=("events:ListRules", "events:ListTagsForResource"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9._-]{1,64}"

    def read(self, aws: Aws, want: RuleSpec) -> Observed[RuleSpec] | None:
        """The rule with its targets and tags, in three reads."""
        reads: list[Any] = aws.together(
            lambda: aws.find("events", "DescribeRule", Name=want.name),
            lambda: aws.find_all("events", "ListTargetsByRule", "Targets", Rule=want.name),
            lambda: self.tags_of(aws, want.name),
        )
        live, targets, tagging = reads
        if live is None:
            return None
        spec = RuleSpec(
            name=want.name,
            pattern=live.get("EventPattern") or "",
            state=live["State"],
            description=live.get("Description") or "",
            targets=tuple(sorted((_target(target) for target in targets or ()), key=lambda target: target.id)),
            expression=live.get("ScheduleExpression") or "",
            role=live.get("RoleArn") or "",
            tags=tagging,
        )
        return Observed(spec, {"arn": aws.arn("events", f"rule/{want.name}")})

    def create(self, aws: Aws, want: RuleSpec) -> None:
        """Make it with its tags, then its targets."""
        aws.call("events", "PutRule", **_rule(want), Tags=tags.pairs(want.tags))
        _put(aws, want.name, want.targets)

    def update(self, aws: Aws, want: RuleSpec, seen: Observed[RuleSpec], changes: Changes) -> None:
        """Take away the targets that aren't wanted before anything is put."""
        ids = {target.id for target in seen.spec.targets} - {target.id for target in want.targets}
        _remove(aws, want.name, sorted(ids))
        if touches(changes, "pattern", "state", "description", "expression", "role"):
            aws.call("events", "PutRule", **_rule(want))
        _put(aws, want.name, [target for target in want.targets if target not in seen.spec.targets])
        if touches(changes, "tags"):
            tags.put(aws, "events", want.tags, seen.spec.tags, ResourceARN=seen.attributes["arn"])

    def delete(self, aws: Aws, seen: Observed[RuleSpec]) -> None:
        """A rule goes only without targets."""
        name = seen.spec.name
        targets = aws.find_all("events", "ListTargetsByRule", "Targets", Rule=name) or ()
        _remove(aws, name, [target["Id"] for target in targets])
        aws.find("events", "DeleteRule", Name=name)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all rules, in one read."""
        return [rule["Name"] for rule in aws.pages("events", "ListRules", "Rules")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one rule, in one read."""
        answer = aws.find("events", "ListTagsForResource", ResourceARN=aws.arn("events", f"rule/{name}"))
        return tags.mapping((answer or {}).get("Tags"))


def _rule(want: RuleSpec) -> dict[str, Any]:
    parts = {
        "EventPattern": want.pattern,
        "ScheduleExpression": want.expression,
        "RoleArn": want.role,
        "Description": want.description,
    }
    return {"Name": want.name, "State": want.state, **{key: value for key, value in parts.items() if value}}


def _target(live: Mapping[str, Any]) -> RuleTarget:
    other = {key: value for key, value in live.items() if key not in ("Id", "Arn")}
    return RuleTarget(id=live["Id"], arn=live["Arn"], other=json.dumps(other) if other else "")


def _put(aws: Aws, rule: str, targets: Iterable[RuleTarget]) -> None:
    entries = [{"Id": target.id, "Arn": target.arn, **json.loads(target.other or "{}")} for target in targets]
    if entries:
        _check_entries("PutTargets", aws.call("events", "PutTargets", Rule=rule, Targets=entries))


def _remove(aws: Aws, rule: str, ids: Sequence[str]) -> None:
    if ids:
        _check_entries("RemoveTargets", aws.find("events", "RemoveTargets", Rule=rule, Ids=list(ids)) or {})


def _check_entries(operation: str, answer: Mapping[str, Any]) -> None:
    """Raises AwsError for entries that weren't done, which an answer of 200 may have."""
    for entry in answer.get("FailedEntries") or ():
        raise AwsError("events", operation, entry.get("ErrorCode", ""), entry.get("ErrorMessage", ""))
