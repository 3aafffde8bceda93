"""A deploy of any size: COUNT each of six kinds, built in code, then the same observe, plan, execute and print.

    python -m bench.scale plan|apply COUNT      in the folder of a deploy.yaml, with AWS_ENDPOINT_URL set

It exits with 1 when something is left undone, and `plan` with 2 when there are changes.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from reconciler.aws.calls import Aws
from reconciler.cli.render import show_plan
from reconciler.cli.step_output import Steps, show_outcome
from reconciler.cli.terminal import Terminal
from reconciler.config import Deploy, load
from reconciler.config.resource_names import Names
from reconciler.core.canonical import policy
from reconciler.core.container import Container
from reconciler.core.graph import Graph, Node
from reconciler.core.plan import Options, Plan
from reconciler.engine.apply import apply
from reconciler.engine.deployment import Deployment
from reconciler.engine.lock import Lock
from reconciler.image.kind import ImageKind
from reconciler.kinds import (
    KINDS,
    BucketSpec,
    LogGroupSpec,
    PolicySpec,
    RepositorySpec,
    RoleSpec,
    TaskDefinitionSpec,
)
from reconciler.kinds.s3_bucket import BLOCKS
from reconciler.lower.account import read_facts

TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}


def nodes(names: Names, count: int) -> Iterator[Node]:
    """The nodes: what Terraform is given as `terraform-x20`, with our tags and the policies attached."""
    tags = names.tags
    for key in (f"p{number:02d}" for number in range(count)):
        arn, bucket = names.iam(f"policy/s3-access-{key}"), f"ml-data-{key}"
        yield Node(BucketSpec(name=bucket, region=names.deploy.region, public_access_block=BLOCKS, tags=tags))
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        access = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": resources}
        document = policy({"Version": "2012-10-17", "Statement": [access]})
        yield Node(PolicySpec(name=f"s3-access-{key}", document=document, arn=arn, tags=tags))
        role = RoleSpec(
            name=f"task-role-{key}",
            trust=policy({"Version": "2012-10-17", "Statement": [TRUST]}),
            managed_policies=(arn,),
            tags=tags,
        )
        yield Node(role, (PolicySpec(name=f"s3-access-{key}").address,))
        yield Node(LogGroupSpec(name=f"/ecs/{key}", retention_in_days=7, tags=tags))
        yield Node(RepositorySpec(name=f"ml-{key}", scan_on_push=True, tags=tags))
        container = Container(
            name="c",
            image=f"{names.facts.account}.dkr.ecr.{names.deploy.region}.amazonaws.com/ml-{key}:latest",
            environment={"S3_BUCKET": bucket},
            log_driver="awslogs",
            log_options={
                "awslogs-group": f"/ecs/{key}",
                "awslogs-region": names.deploy.region,
                "awslogs-stream-prefix": "ecs",
            },
        )
        definition = TaskDefinitionSpec(
            name=f"ml-{key}",
            cpu=1024,
            memory=2048,
            execution_role=names.iam(f"role/{role.name}"),
            task_role=names.iam(f"role/{role.name}"),
            containers=(container,),
            tags=tags,
        )
        yield Node(definition, (role.address,))


def deployment(aws: Aws, deploy: Deploy, count: int) -> Deployment:
    """A deploy of `count` of each, ready to observe."""
    names = Names(deploy, read_facts(aws, deploy))
    kinds = {kind.spec.kind: kind for kind in (*KINDS, ImageKind(None, lambda line: None))}
    return Deployment(deploy, aws, names, Graph(nodes(names, count)), kinds, (), None)


class Shown(Steps):
    """The plan, then each step."""

    def planned(self, plan: Plan) -> None:
        """The plan."""
        show_plan(self.terminal, plan)

    def executing(self) -> None:
        """No empty line before the steps."""

    def launching(self) -> None:
        """There is no run to announce."""


def main(verb: str, count: int) -> int:
    """Plan, or plan and do it, as the command line does."""
    gc.set_threshold(100_000, 50, 100)  # as it is set there
    deploy = load(Path("deploy.yaml"), environ=os.environ)
    gc.freeze()  # as there, too
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    aws = Aws(deploy.region, endpoint_url=endpoint, read_only=verb == "plan")
    here, terminal = deployment(aws, deploy, count), Terminal()
    if verb == "plan":
        plan = here.plan(here.observe())
        show_plan(terminal, plan)
        return 2 if plan.changes else 0
    lock = Lock(Aws(deploy.region, endpoint_url=endpoint), deploy.name, "bench")
    outcome = apply(here, Options(), Shown(terminal), lock=lock).outcome
    show_outcome(terminal, outcome, "bench")
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
