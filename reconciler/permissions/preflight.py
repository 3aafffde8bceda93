"""The permissions that a plan needs, asked for all at once before the first write.

IAM's own simulator is asked about whoever runs this, when that is allowed and it is a user or a role. Each question is
a grant of the policy that `permissions` prints, with what its condition asks for, so that this policy answers them all
with yes. What the simulator can't tell for want of a condition's value counts as allowed: a check that stops what would
have worked is worse than none. What only an organisation's policy denies is told of and stops nothing: such a policy
may ask for what isn't known here. A permission that is missing after all shows when it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config.resource_names import Names
from reconciler.core.errors import AwsError, MissingPermissions
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.spec import Spec
from reconciler.permissions import policies
from reconciler.permissions.needs import NEEDS, statements
from reconciler.permissions.parts import LOCK_PART, PARTS, WRITE_RECORD, Part
from reconciler.permissions.policies import Grant

PRINCIPAL = re.compile(r"^arn:([\w-]+):(iam|sts)::(\d{12}):(user|role|assumed-role)/(.+)$")
# What isn't asked may be missing without harm. A deadline is set for a task that runs already.
LAUNCH = frozenset({
    "ecs:RunTask", "iam:PassRole", "s3:PutObject", "scheduler:CreateSchedule", "scheduler:UpdateSchedule",
})  # fmt: skip
LAUNCHING = frozenset({"run.launch", "run.stored", "run.deadline"})
KEEPING = frozenset({"ssm:PutParameter", "ssm:DeleteParameter"})  # of the lock and the record
SKIP = "--skip-permission-check"
# Where IAM is, whose requests have this region wherever they come from.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-requestedregion
IAM_REGIONS = {
    "aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-iso": "us-iso-east-1",
    "aws-iso-b": "us-isob-east-1", "aws-iso-f": "us-isof-south-1",
}  # fmt: skip
Actions = Mapping[str, set[str]]


@dataclass(frozen=True)
class Answer:
    """What is denied, actions by ARN. missing: for sure; unsure: by an organisation's policy alone."""

    missing: Actions = field(default_factory=dict)
    unsure: Actions = field(default_factory=dict)


def needed(step: Step) -> set[str]:
    """The IAM actions of a step. Those of a kind that isn't in the table are found out when they are used."""
    needs = NEEDS.get(step.address.kind)
    if needs is None or not step.does:
        return set()
    actions: set[str] = set()
    if step.action in (Action.DELETE, Action.REPLACE):
        actions |= set(needs.delete)
    if step.action in (Action.CREATE, Action.REPLACE):
        actions |= set(needs.create)
    if step.action is not Action.DELETE and step.want is not None:
        changed = needs.for_changes(step.changes, update=step.action in (Action.UPDATE, Action.ADOPT))
        actions |= changed & policies.to_make(step.want)
    return actions


def of_plan(plan: Plan, names: Names) -> set[Grant]:
    """What a plan needs: its steps, and the lock and the record."""
    grants = {grant for step in plan.steps if (actions := needed(step)) for grant in _of_step(step, actions, names)}
    return grants | _writing(LOCK_PART, names) | _writing(WRITE_RECORD, names) if grants else grants


def _writing(part: Part, names: Names) -> set[Grant]:
    return {grant for grant in policies.of_part(part, names) if grant.action in KEEPING}


def _of_step(step: Step, actions: set[str], names: Names) -> set[Grant]:
    spec: Spec = step.want if step.want is not None else step.seen.spec  # type: ignore[union-attr]
    # What others may have made (any role) isn't asked for.
    grants = {
        grant
        for grant in policies.of_kind(spec, actions, names, widest=True)
        if not (":iam:" in grant.resource and "*" in grant.resource)
    }
    return grants | policies.handing_on(step.want, names) if step.want is not None else grants


def of_launch(names: Names) -> set[Grant]:
    """What a launch needs."""
    parts = (part for part in PARTS if LAUNCHING & {*part.modules})
    grants = {grant for part in parts for grant in policies.of_part(part, names) if grant.action in LAUNCH}
    return grants | _writing(LOCK_PART, names)


def principal(caller: str) -> str | None:
    """The user or role behind an ARN of GetCallerIdentity; None for what IAM can't simulate, such as the root user."""
    match = PRINCIPAL.match(caller)
    if match is None:
        return None
    partition, service, account, kind, name = match.groups()
    if kind == "assumed-role":
        return f"arn:{partition}:iam::{account}:role/{name.partition('/')[0]}"
    return caller if service == "iam" else None


def check(aws: Aws, plan: Plan, names: Names, *, launches: bool = False) -> str:
    """Raises MissingPermissions with the statements to add, when IAM says that some are missing.

    launches: the task is to be launched too. Returns what an organisation may deny, to be told; or nothing.
    """
    grants = of_plan(plan, names) | (of_launch(names) if launches else set())
    principal_arn = principal(aws.caller) if grants else None
    if principal_arn is None:
        return ""
    answer = denied(aws, principal_arn, grants)
    if missing := answer.missing:
        count = sum(map(len, missing.values()))
        statement = json.dumps({"Version": "2012-10-17", "Statement": statements(missing)}, indent=2)
        advice = f"add this policy to it, and run the command again (or with {SKIP}, where IAM's simulator is wrong)"
        raise MissingPermissions(
            f"{principal_arn} lacks {count} permissions that this plan needs; nothing was changed",
            hint=f"{advice}:\n{statement}",
        )
    return organisation(answer)


def organisation(answer: Answer) -> str:
    """What an organisation may deny, in words; empty if nothing."""
    actions = sorted({action for doubtful in answer.unsure.values() for action in doubtful})
    if not actions:
        return ""
    text = ", ".join(actions[:5]) + (f" and {len(actions) - 5} more" if len(actions) > 5 else "")
    return f"a policy of this account's organisation may deny {text}, says IAM's simulator, which can't tell for sure"


def denied(aws: Aws, principal_arn: str, grants: Iterable[Grant], *, must: bool = False) -> Answer:
    """What of this IAM's simulator denies a user or role.

    Nothing when whoever runs this may not ask it, or raises AwsError then, with `must`.
    """
    places: dict[tuple[str, str], set[str]] = {}  # by resource and context
    for grant in grants:
        places.setdefault((grant.resource, _context(grant, aws)), set()).add(grant.action)
    alike: dict[tuple[frozenset[str], str], list[str]] = {}
    for (resource, context), actions in places.items():
        alike.setdefault((frozenset(actions), context), []).append(resource)
    try:
        answers = aws.each(
            lambda query: _denied(aws, principal_arn, *query), [(*key, arns) for key, arns in alike.items()]
        )
    except AwsError:
        if must:
            raise
        return Answer()
    missing: dict[str, set[str]] = {}
    unsure: dict[str, set[str]] = {}
    for arn, action, by_organisation in (denial for part in answers for denial in part):
        (unsure if by_organisation else missing).setdefault(arn, set()).add(action)
    return Answer(missing, unsure)


def _context(grant: Grant, aws: Aws) -> str:
    """The entries of context, as JSON, with which the condition of a grant holds."""
    region = IAM_REGIONS.get(aws.partition, aws.region) if grant.action.startswith("iam:") else aws.region
    entries = [_entry("aws:RequestedRegion", [region], many=False)]
    for operator, keys in (json.loads(grant.condition) if grant.condition else {}).items():
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            many = operator.startswith("ForAnyValue:")
            entries += [_entry(key, values if many else values[:1], many=many)] if values else []
    return json.dumps(entries, sort_keys=True)


def _entry(key: str, values: list[str], *, many: bool) -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": "stringList" if many else "string"}


def _denied(
    aws: Aws, principal_arn: str, actions: Iterable[str], context: str, arns: list[str]
) -> list[tuple[str, str, bool]]:
    """(ARN, action, whether an organisation denies it) of what is denied."""
    results = aws.pages(
        "iam",
        "SimulatePrincipalPolicy",
        "EvaluationResults",
        PolicySourceArn=principal_arn,
        ActionNames=sorted(actions),
        ResourceArns=sorted(arns),
        ContextEntries=json.loads(context),
    )
    denials = []
    for evaluation in results:
        outside = not evaluation.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
        per_resource = evaluation.get("ResourceSpecificResults") or [
            {
                "EvalResourceName": evaluation.get("EvalResourceName", "*"),
                "EvalResourceDecision": evaluation["EvalDecision"],
                "MissingContextValues": evaluation.get("MissingContextValues"),
            }
        ]
        for result in per_resource:
            refused = result["EvalResourceDecision"] != "allowed" and not result.get("MissingContextValues")
            resource = str(result["EvalResourceName"])
            for each_arn in ([resource] if resource in arns else arns) if refused else ():
                denials.append((each_arn, str(evaluation["EvalActionName"]), outside))
    return denials
