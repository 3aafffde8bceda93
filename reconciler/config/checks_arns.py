"""Policies and ARNs of the file: what IAM would refuse, and what is elsewhere than the deploy."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.aws.regions import partition_of
from reconciler.config.problems import Path, Problem
from reconciler.config.schema import Deploy
from reconciler.config.task import Policy
from reconciler.core.policy_rules import statement_problems

FIXES = {
    "Sid": "write letters and digits only",
    "Action": "write SERVICE:ACTION, such as s3:GetObject",
    "Resource": "write '*' or an ARN, in the partition of the deploy's region",
    "Condition": "write {OPERATOR: {KEY: VALUE}}, such as {StringEquals: {'aws:RequestedRegion': us-east-1}}",
}


def check_arns(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with the policies and the ARNs of a filled deploy."""
    role, ci = deploy.task.role, deploy.ci
    if role.policy:  # beside `read` or `write` its statements are added to others, without their Sids
        yield from _policy(deploy, ("task", "role", "policy"), role.policy, named=role.only_policy)
    if ci and ci.policy:
        yield from _policy(deploy, ("ci", "policy"), ci.policy, named=True)
    yield from _places(deploy)


def _policy(deploy: Deploy, at: Path, policy: Policy, *, named: bool) -> Iterator[Problem]:
    """named: whether the statements keep their Sids."""
    first: dict[str, int] = {}
    partition = partition_of(deploy.region).name
    for n, statement in enumerate(policy.Statement):
        place = (*at, "Statement", n)
        fields = statement.model_dump(exclude_defaults=True, mode="json")
        for key, text in statement_problems(fields, identity=True, plain=named, partition=partition):
            yield Problem((*place, key), f"IAM would refuse it: {text}", FIXES[key], (("region",),))
        if named and statement.Sid in first:
            message = f"{{value}} is also the Sid of Statement[{first[statement.Sid]}], and IAM wants each once"
            yield Problem((*place, "Sid"), message, "give each its own")
        if statement.Sid:
            first.setdefault(statement.Sid, n)


def _arns(deploy: Deploy) -> Iterator[tuple[Path, str]]:
    """Each ARN that a service is to use, and its place."""
    task, notify, key = deploy.task, deploy.notify, deploy.data.bucket.kms_key
    yield from ((("task", "secrets", name), arn) for name, arn in task.secrets.items())
    yield from ((("task", "secret_keys", n), arn) for n, arn in enumerate(task.secret_keys))
    yield from ((("parameters", name, "kms_key"), p.kms_key) for name, p in deploy.parameters.items() if p.kms_key)
    yield from ((("data", "files", n, "kms_key"), f.kms_key) for n, f in enumerate(deploy.data.files) if f.kms_key)
    if key:
        yield ("data", "bucket", "kms_key"), key
    if notify:
        yield from ((("notify", "subscribers", n), arn) for n, arn in enumerate(notify.subscribers))
    if notify and notify.webhook:
        yield ("notify", "webhook", "url_from"), notify.webhook.url_from
        if notify.webhook.kms_key:
            yield ("notify", "webhook", "kms_key"), notify.webhook.kms_key


def _places(deploy: Deploy) -> Iterator[Problem]:
    """Nothing of one partition can use what is in another, and a KMS key is used in its own region only."""
    partition, secrets = partition_of(deploy.region).name, deploy.task.secrets
    of_secrets = {arn.split(":")[3] for arn in secrets.values()} or {deploy.region}
    for at, arn in _arns(deploy):
        _, of_arn, _, region, *_ = arn.split(":")
        regions = of_secrets if "secret_keys" in at else {deploy.region}
        if of_arn != partition:
            message = f"the ARN is of the partition {of_arn}, and {deploy.region} is in {partition}"
            yield Problem(at, message, f"write the ARN as AWS shows it: arn:{partition}:…", (("region",),))
        elif ("secret_keys" in at or at[-1] == "kms_key") and "files" not in at and region not in regions:
            message = f"the key is in {region}, and what it encrypts is in {' and '.join(sorted(regions))}"
            yield Problem(at, message, "name a key of the same region", (("region",),))
