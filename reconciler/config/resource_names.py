"""The names, ARNs and tags that follow from the file and the account, before anything exists. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.aws.regions import registry
from reconciler.config import Deploy
from reconciler.config.names import default_bucket
from reconciler.core.managed_instances import INSTANCE_ROLE
from reconciler.core.spec import OWNER_TAG


@dataclass(frozen=True)
class Facts:
    """account: its id. vpc, subnets: ids."""

    account: str
    partition: str
    vpc: str
    subnets: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """The names and ARNs that follow from the file and the account."""

    deploy: Deploy
    facts: Facts

    @property
    def bucket(self) -> str:
        """The bucket, with the account's id in it unless the file names it."""
        return self.deploy.data.bucket.name or default_bucket(self.deploy.name, self.facts.account)

    @property
    def repository(self) -> str:
        """The ECR repository."""
        repository = self.deploy.image.repository
        return str(repository.name if repository else self.deploy.name)

    @property
    def repository_uri(self) -> str:
        """Where the repository is pushed to and pulled from."""
        return f"{registry(self.facts.account, self.deploy.region)}/{self.repository}"

    def iam(self, resource: str) -> str:
        """An IAM ARN of the account."""
        return f"arn:{self.facts.partition}:iam::{self.facts.account}:{resource}"

    def s3(self, path: str = "") -> str:
        """The bucket's ARN, or that of a path in it."""
        return f"arn:{self.facts.partition}:s3:::{self.bucket}" + (f"/{path.lstrip('/')}" if path else "")

    def arn(self, service: str, resource: str) -> str:
        """An ARN of the account in the region."""
        return f"arn:{self.facts.partition}:{service}:{self.deploy.region}:{self.facts.account}:{resource}"

    @property
    def stop_role(self) -> str:
        """The role with which EventBridge Scheduler stops a task whose `run.max_duration` is over."""
        return f"{self.deploy.name}-stop-role"

    @property
    def infrastructure_role(self) -> str:
        """The role with which ECS launches and ends managed instances."""
        return f"{self.deploy.name}-infrastructure-role"

    @property
    def instance_role(self) -> str:
        """The role of the managed instances, and the profile that hands it to them."""
        return f"{INSTANCE_ROLE}-{self.deploy.name}"

    @property
    def schedule(self) -> str:
        """The schedule that starts runs, and the group by which ECS knows the tasks that it started."""
        schedule = self.deploy.schedule
        return str(schedule.name if schedule else f"{self.deploy.name}-schedule")

    @property
    def schedule_role(self) -> str:
        """The role with which EventBridge Scheduler starts them."""
        return f"{self.deploy.name}-schedule-role"

    @property
    def dead_letters(self) -> str:
        """The queue that gets the launches that failed."""
        return f"{self.deploy.name}-schedule-dead-letters"

    @property
    def topic(self) -> str:
        """The ARN of the topic that tells how runs end."""
        notify = self.deploy.notify
        return self.arn("sns", str(notify.topic if notify else f"{self.deploy.name}-runs"))

    @property
    def watcher_rule(self) -> str:
        """The rule that calls it when a task of the schedule runs or has ended."""
        return f"{self.deploy.name}-schedule-tasks"

    @property
    def watcher(self) -> str:
        """The Lambda function that watches scheduled runs."""
        return f"{self.deploy.name}-schedule-watcher"

    @property
    def watcher_role(self) -> str:
        """The role with which it runs."""
        return f"{self.deploy.name}-schedule-watcher-role"

    @property
    def watcher_log(self) -> str:
        """The log group that Lambda gives it."""
        return f"/aws/lambda/{self.watcher}"

    @property
    def tags(self) -> dict[str, str]:
        """The file's tags and the one that says whose a resource is."""
        return {**self.deploy.tags, OWNER_TAG: self.deploy.name}
