"""The image: whether what the task definition names is in the repository, and the execution role may pull it."""

from __future__ import annotations

import re

from reconciler.checks.findings import Finding, group, ng, ok, skip
from reconciler.checks.verify.live import APPLY, Live, may

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.[a-z0-9.-]+/(?P<name>[^:@]+)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))?$"
)


def check(live: Live) -> Finding:
    """Check that the image is there and that ECS may pull it."""
    task = live.task
    uri = next((str(c.image) for c in task.spec.containers if c.name == live.deploy.task.container), "") if task else ""
    if not uri:
        return group("image", skip("named", "no task definition names one yet"))
    match = ECR.match(uri)
    if match is None:
        return group("image", skip("in the registry", f"{uri} isn't in ECR: whether it can be pulled shows in a run"))
    account, region, name = match["account"], match["region"], match["name"]
    if (account, region) != (live.names.facts.account, live.deploy.region):
        in_repository = skip("in the repository", f"{name} is of account {account} in {region}")
    else:
        in_repository = _there(live, name, match["digest"], match["tag"] or "latest", uri)
    repository = f"arn:{live.names.facts.partition}:ecr:{region}:{account}:repository/{name}"
    needs = {"*": {"ecr:GetAuthorizationToken"}, repository: {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}}
    pullable = may(
        live, "pullable", str(live.deploy.task.execution_role.name), needs, f"{APPLY} attaches what it needs"
    )
    return group("image", in_repository, pullable)


def _there(live: Live, name: str, digest: str | None, tag: str, uri: str) -> Finding:
    image_id = {"imageDigest": digest} if digest else {"imageTag": tag}
    answer = live.aws.find("ecr", "DescribeImages", repositoryName=name, imageIds=[image_id])
    details = (answer or {}).get("imageDetails")
    if not details:
        return ng("in the repository", f"{uri} isn't there", f"{APPLY} builds and pushes it")
    size = details[0].get("imageSizeInBytes") or 0
    size_text = f", {size / 1e6:,.0f} MB compressed, which each task on Fargate pulls" if size >= 1e6 else ""
    return ok("in the repository", f"{name}@{details[0]['imageDigest'][:19]}{size_text}")
