"""Whoever has to use a customer's KMS key may, through the service that asks for it, and no other key."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.lower import resources
from reconciler.permissions import policies
from reconciler.permissions.judge import decide
from tests.permissions.held import held

ACCOUNT = "123456789012"
KMS = f"arn:aws:kms:us-east-1:{ACCOUNT}"
DATA, TOKEN, HOOK, OTHER = (f"{KMS}:key/{n * 8}-0000-0000-0000-000000000000" for n in "1234")
ALIASES = {DATA: "alias/data", TOKEN: "alias/token", HOOK: "alias/hook", OTHER: "alias/other"}
BOTH = {"kms:Decrypt", "kms:GenerateDataKey"}
READS = {"kms:Decrypt"}


def names_of(*, by_alias: bool) -> Names:
    def named(key: str) -> str:
        return f"{KMS}:{ALIASES[key]}" if by_alias else key

    file: dict[str, Any] = {
        "name": "tiny",
        "data": {"bucket": {"encryption": "aws:kms", "kms_key": named(DATA)},
                 "files": [{"file": "d.csv", "key": "data/d.csv"}]},
        "task": {"secrets": {"TOKEN": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/token"},
                 "secret_keys": [named(TOKEN)]},
        "ci": {"github": {"repository": "owner/tiny", "pull_requests": True}},
        "schedule": {"when": "rate(1 day)"},
        "notify": {"webhook": {"url_from": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/hook", "kms_key": named(HOOK)}},
    }  # fmt: skip
    return Names(Deploy.model_validate(file).filled(), Facts(ACCOUNT, "aws", "vpc-1", ("subnet-1",)))


def documents(names: Names) -> dict[str, list[dict[str, Any]]]:
    """All that the deploy's roles have, and the printed policies, by whose it is."""
    by_owner = held(names)
    for command in ("plan", "apply", "run", "destroy", "verify"):
        grants = policies.for_command(command, names, resources(names))
        by_owner[command] = policies.documents(policies.statements(grants, names))
    return by_owner


# Who may do what with the bucket's key, that of a secret, and that of the webhook's URL.
MAY: dict[str, tuple[set[str], set[str], set[str]]] = {
    "tiny-task-role": (BOTH, set(), set()),
    "tiny-task-execution-role": (set(), READS, set()),
    "tiny-ci": (BOTH, set(), READS),
    "tiny-ci-plan": (READS, set(), set()),
    "tiny-schedule-watcher-role": (BOTH, set(), READS),
    "tiny-schedule-role": (set(), set(), set()),
    "plan": (READS, set(), set()),
    "apply": (BOTH, set(), READS),
    "run": (BOTH, set(), READS),
    "destroy": (READS, set(), set()),
    "verify": (READS, set(), set()),
}


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("by_alias", [False, True], ids=["by its ARN", "by an alias"])
def test_who_may_use_which_key(who: str, by_alias: bool) -> None:
    its = documents(names_of(by_alias=by_alias))[who]
    for key, service, may in zip(
        (DATA, TOKEN, HOOK, OTHER), ("s3", "ssm", "ssm", "s3"), (*MAY[who], set()), strict=True
    ):
        context: dict[str, str | tuple[str, ...]] = {"kms:resourcealiases": (ALIASES[key],)}
        context["kms:viaservice"] = f"{service}.us-east-1.amazonaws.com"
        assert {action for action in BOTH if decide(its, action, key, context) == "allowed"} == may, key
        elsewhere = {**context, "kms:viaservice": "ec2.us-east-1.amazonaws.com"}
        if key is not TOKEN:  # ECS itself decrypts secrets, as the execution role
            assert not [action for action in BOTH if decide(its, action, key, elsewhere) == "allowed"], key


def test_a_task_that_only_reads_only_decrypts() -> None:
    names = names_of(by_alias=False)
    role = names.deploy.task.role.model_copy(update={"write": ()})
    task = names.deploy.task.model_copy(update={"role": role})
    its = held(Names(names.deploy.model_copy(update={"task": task}), names.facts))["tiny-task-role"]
    context = {"kms:viaservice": "s3.us-east-1.amazonaws.com"}
    assert {action for action in BOTH if decide(its, action, DATA, context) == "allowed"} == READS
