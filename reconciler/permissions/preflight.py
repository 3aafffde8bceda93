"""The permissions that a plan needs, asked for all at once before the first write.

IAM's own simulator is asked about whoever runs this, when that is allowed and it is a user or a role. What it can't
tell for want of a condition's value counts as allowed: a check that stops what would have worked is worse than none.
A permission that is missing after all shows when it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from reconciler.aws.calls import Aws
from reconciler.config.resource_names import Names
from reconciler.core.errors import AwsError, MissingPermissions
from reconciler.core.needs import ANYWHERE, parts_of
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.run_paths import RUNS
from reconciler.permissions.needs import NEEDS, arn, statements

PRINCIPAL = re.compile(r"^arn:([\w-]+):(iam|sts)::(\d{12}):(user|role|assumed-role)/(.+)$")
TASKS = "ecs-tasks"  # the simulator is told that roles are handed to this service, so of others it isn't asked
PASSED_TO = {"ContextKeyName": "iam:PassedToService", "ContextKeyValues": [f"{TASKS}.amazonaws.com"],
             "ContextKeyType": "string"}  # fmt: skip


def needed(step: Step) -> set[str]:
    """The IAM actions of a step. Those of a kind that isn't in the table are found out when they are used."""
    needs = NEEDS.get(step.address.kind)
    if needs is None or not step.does:
        return set()
    found: set[str] = set()
    if step.action in (Action.DELETE, Action.REPLACE):
        found |= set(needs.delete)
    if step.action in (Action.CREATE, Action.REPLACE):
        found |= set(needs.create)
    if step.action is not Action.DELETE:
        found |= needs.for_changes(step.changes, update=step.action in (Action.UPDATE, Action.ADOPT))
    return found


def of_plan(plan: Plan, aws: Aws) -> dict[str, set[str]]:
    """The actions that a plan needs, by ARN: those of its steps, and of the lock and the record."""
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        for action in needed(step):
            # Of several forms of one resource the widest; what others may have made (any role) isn't asked for.
            on = NEEDS[step.address.kind].places(action)[-1].resource
            one = on.format_map(parts_of(step.address.name, plan.deploy))
            if not (one.startswith("iam:") and "*" in one):
                where = one if one == ANYWHERE else arn(one, aws.partition, aws.region, aws.account)
                found.setdefault(where, set()).add(action)
    if found:
        parameters = aws.arn("ssm", f"parameter/reconciler/{plan.deploy}/*")
        found.setdefault(parameters, set()).update({"ssm:PutParameter", "ssm:DeleteParameter"})
    for step in plan.steps:
        if step.does and step.want is not None and step.address.kind in NEEDS:
            passes = NEEDS[step.address.kind].passes.items()
            roles = [getattr(step.want, name, "") for name, service in passes if service == TASKS]
            for role in filter(None, roles):
                found.setdefault(str(role), set()).add("iam:PassRole")
    return found


def of_launch(names: Names) -> dict[str, set[str]]:
    """The actions that a launch needs, by ARN."""
    task = names.deploy.task
    found = {
        names.arn("ecs", f"task-definition/{task.family}:*"): {"ecs:RunTask"},
        names.s3(f"{RUNS}/*"): {"s3:PutObject"},
    }
    return found | {names.iam(f"role/{role.name}"): {"iam:PassRole"} for role in (task.role, task.execution_role)}


def principal(caller: str) -> str | None:
    """The user or role behind an ARN of GetCallerIdentity; None for what IAM can't simulate, such as the root user."""
    match = PRINCIPAL.match(caller)
    if match is None:
        return None
    partition, service, account, kind, name = match.groups()
    if kind == "assumed-role":
        return f"arn:{partition}:iam::{account}:role/{name.partition('/')[0]}"
    return caller if service == "iam" else None


def check(aws: Aws, plan: Plan, launch: Names | None = None) -> None:
    """Raises MissingPermissions with the statements to add, when IAM says that some are missing.

    launch: the names of the deploy whose task is to be launched too.
    """
    wanted = of_plan(plan, aws)
    for where, actions in of_launch(launch).items() if launch else ():
        wanted.setdefault(where, set()).update(actions)
    who = principal(str(aws.call("sts", "GetCallerIdentity")["Arn"])) if wanted else None
    if who is None:
        return
    missing = denied(aws, who, wanted)
    if missing:
        count = sum(map(len, missing.values()))
        statement = json.dumps({"Version": "2012-10-17", "Statement": statements(missing)}, indent=2)
        raise MissingPermissions(
            f"{who} lacks {count} permissions that this plan needs; nothing was changed",
            hint=f"add this policy to it, and run the command again:\n{statement}",
        )


def denied(aws: Aws, who: str, wanted: Mapping[str, Iterable[str]], *, must: bool = False) -> dict[str, set[str]]:
    """What of these actions by ARN IAM's simulator denies a user or role for sure.

    Nothing when whoever runs this may not ask it, or raises AwsError then, with `must`.
    """
    by_actions: dict[frozenset[str], list[str]] = {}
    for where, actions in wanted.items():
        by_actions.setdefault(frozenset(actions), []).append(where)
    try:
        found = aws.each(lambda one: _denied(aws, who, *one), list(by_actions.items()))
    except AwsError:
        if must:
            raise
        return {}
    missing: dict[str, set[str]] = {}
    for where, action in (pair for pairs in found for pair in pairs):
        missing.setdefault(where, set()).add(action)
    return missing


def _denied(aws: Aws, who: str, actions: Iterable[str], arns: list[str]) -> list[tuple[str, str]]:
    """(ARN, action) of what is denied for sure."""
    results = aws.pages(
        "iam", "SimulatePrincipalPolicy", "EvaluationResults", PolicySourceArn=who, ActionNames=sorted(actions),
        ResourceArns=sorted(arns), ContextEntries=[PASSED_TO],
    )  # fmt: skip
    found = []
    for one in results:
        each = one.get("ResourceSpecificResults") or [
            {
                "EvalResourceName": one.get("EvalResourceName", "*"),
                "EvalResourceDecision": one["EvalDecision"],
                "MissingContextValues": one.get("MissingContextValues"),
            }
        ]
        for result in each:
            refused = result["EvalResourceDecision"] != "allowed" and not result.get("MissingContextValues")
            where = str(result["EvalResourceName"])
            for each_arn in ([where] if where in arns else arns) if refused else ():
                found.append((each_arn, str(one["EvalActionName"])))
    return found
