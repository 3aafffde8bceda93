"""The roles: there, assumable by ECS, and the program's may read its data and write its results."""

from __future__ import annotations

from reconciler.checks.findings import Finding, group, ng, ok
from reconciler.checks.verify.live import APPLY, Live, may
from reconciler.core.run_paths import RUNS
from reconciler.lower import checkpoints, promotion
from reconciler.permissions import keys
from reconciler.permissions.judge import conditions_hold
from reconciler.permissions.policies import Grant, of_key

SERVICE = "ecs-tasks.amazonaws.com"


def check(live: Live) -> Finding:
    """Check that each role is there, trusts ECS, and may do what a run needs."""
    task, names = live.deploy.task, live.names
    role_name = str(task.role.name)
    needs = {names.s3(file.readable): {"s3:GetObject"} for file in live.deploy.data.uploads}
    for data in live.given_data:
        needs[data.place.arns(names.facts.partition)[1][0]] = {"s3:GetObject"}
    needs[names.s3(f"{RUNS}/ID/output/metrics.json")] = {"s3:PutObject"}
    if live.deploy.run.promote:
        needs |= {names.s3(path): set(actions) for path, actions in promotion.NEEDED.items()}
    if live.deploy.run.checkpoint:
        needs |= {names.s3(path): set(actions) for path, actions in checkpoints.NEEDED.items()}
    fix = f"{APPLY} puts its policy right; task.role.read and .write in deploy.yaml say what is in it"
    return group(
        "roles",
        _assumable(live, "execution role", str(task.execution_role.name)),
        _assumable(live, "task role", role_name),
        may(live, "task role reads the data and writes runs", role_name, needs, fix, _key(live)),
    )


def _key(live: Live) -> set[Grant]:
    """The use of the bucket's key. A policy of the file's own may name by its ARN what the file names by an alias."""
    key = live.deploy.data.bucket.kms_key
    if not key or (":alias/" in key and live.deploy.task.role.only_policy):
        return set()
    return of_key(key, keys.WRITE, keys.through("s3", live.deploy.region))


def _assumable(live: Live, subject: str, name: str) -> Finding:
    role = live.role(name)
    if role is None:
        return ng(subject, f"there is no role {name}", f"{APPLY} makes it")
    account = live.names.facts.account
    for statement in role.spec.trust.statements:
        if (
            not statement.denies
            and SERVICE in statement.principals.get("Service", ())
            and "sts:AssumeRole" in statement.actions
            and conditions_hold(statement.conditions, {"aws:sourceaccount": account}, unknown=True)
        ):
            return ok(subject, f"{name} trusts {SERVICE}")
    return ng(subject, f"{name} doesn't trust {SERVICE}", f"{APPLY} puts its trust policy right")
