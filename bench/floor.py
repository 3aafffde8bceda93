"""The limit: a bare script that makes the 23 reads without which the guide's 18 resources can't be compared at all.

No file is read, nothing is compared, printed or checked: boto3 is imported, the clients are made side by side, and
the reads are made side by side as far as none needs another's answer. It sees less than `plan` does (no inline
policies, no bucket policy, no encryption, ...). Run by `python -m bench`; the names are those of deploy.yaml.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

P = "aig130-p2"
BUCKET, KEY = f"{P}-ml-data-bucket", "data/btc_1h_data_2018_to_2025.csv"
ROLES = (f"{P}-ecs-task-execution-role", f"{P}-ecs-task-role")
POLICIES = (f"{P}-s3-access-policy", f"{P}-github-actions-policy")
USER, GROUP, LOGS = "github-actions-aig130-p2", f"{P}-ml-sg", f"/ecs/{P}-ml-task"
SERVICES = ("iam", "ec2", "s3", "sts", "ecs", "ecr", "logs")


class Bare:
    """The clients, made in threads of their own from one session, and the reads."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(32)
        self.session: Any = boto3.session.Session()
        self.lock = threading.Lock()
        self.clients = {name: self.pool.submit(self._make, name) for name in SERVICES}

    def _make(self, service: str) -> Any:
        config = Config(max_pool_connections=32, s3={"addressing_style": "path"})
        with self.lock:  # a session isn't safe to use from many threads
            return self.session.client(service, config=config)

    def read(self, service: str, method: str, **params: Any) -> Future[dict[str, Any]]:
        """One read, under way."""
        return self.pool.submit(lambda: getattr(self.clients[service].result(), method)(**params))

    def policy(self, name: str) -> None:
        """Two reads, of which the second needs the first one's answer, which needs the account."""
        arn = f"arn:aws:iam::{self.account}:policy/{name}"
        policy = self.read("iam", "get_policy", PolicyArn=arn).result()["Policy"]
        self.read("iam", "get_policy_version", PolicyArn=arn, VersionId=policy["DefaultVersionId"]).result()

    def log_group(self) -> None:
        """The tags, whose ARN needs the account."""
        arn = f"arn:aws:logs:us-east-1:{self.account}:log-group:{LOGS}"
        self.read("logs", "list_tags_for_resource", resourceArn=arn).result()

    def all(self) -> None:
        """All 23 reads of a plan."""
        identity = self.read("sts", "get_caller_identity")
        reads = [identity]
        for role in ROLES:
            reads.append(self.read("iam", "get_role", RoleName=role))
            reads.append(self.read("iam", "list_attached_role_policies", RoleName=role))
        reads.append(self.read("iam", "get_user", UserName=USER))
        reads.append(self.read("iam", "list_attached_user_policies", UserName=USER))
        reads.append(self.read("iam", "list_access_keys", UserName=USER))
        reads.append(self.read("ec2", "describe_vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}]))
        reads.append(self.read("ec2", "describe_subnets", Filters=[{"Name": "default-for-az", "Values": ["true"]}]))
        reads.append(self.read("ec2", "describe_security_groups", Filters=[{"Name": "group-name", "Values": [GROUP]}]))
        reads.append(self.read("s3", "head_bucket", Bucket=BUCKET))
        reads.append(self.read("s3", "get_bucket_versioning", Bucket=BUCKET))
        reads.append(self.read("s3", "head_object", Bucket=BUCKET, Key=KEY))
        reads.append(self.read("ecr", "describe_repositories", repositoryNames=[f"{P}-ml-pipeline-ecr"]))
        reads.append(self.read("ecs", "describe_clusters", clusters=[f"{P}-ml-cluster"], include=["TAGS"]))
        reads.append(self.read("ecs", "describe_task_definition", taskDefinition=f"{P}-ml-task", include=["TAGS"]))
        reads.append(self.read("logs", "describe_log_groups", logGroupNamePrefix=LOGS))
        self.account = identity.result()["Account"]
        with ThreadPoolExecutor(3) as more:  # waits of their own, so that they take no place from a read
            rest = [more.submit(self.policy, name) for name in POLICIES] + [more.submit(self.log_group)]
            for future in rest:
                future.result()
        for read in reads:
            read.result()
        self.pool.shutdown()


if __name__ == "__main__":
    Bare().all()
