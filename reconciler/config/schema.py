"""What a deploy.yaml may say: the models behind it, with every default.

Each field carries its description and an example, which `show`, the JSON schema and the reference read. Defaults that
follow from other fields (most names follow from `name`) are filled in by `Deploy.filled()`, so that `show` prints them
all. What concerns several fields at once is in `checks`, so that one bad field doesn't hide it.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from reconciler.config import names
from reconciler.config.allow import Allow
from reconciler.config.base import AsWritten, Int, OneOrMore, Section, short_for
from reconciler.config.parameters import Parameters
from reconciler.config.parameters import filled as filled_parameters
from reconciler.config.place import Cluster, Network, group_texts
from reconciler.config.run import Run, Runs
from reconciler.config.service import Service, provider_name
from reconciler.config.storage import Data, DataFile, Image, Repository
from reconciler.config.task import WRITE, Logs, Policy, Task, TaskRole
from reconciler.config.unattended import Notify, Schedule
from reconciler.core.durations import DAY
from reconciler.core.fargate import FARGATE, LONGEST_STOP, SPOT
from reconciler.core.limits import ACCESS_KEYS
from reconciler.core.log_driver import BLOCKING, BUFFER, MODE, NON_BLOCKING
from reconciler.core.managed_instances import MANAGED, MANAGED_SPOT, Requirements, requirements
from reconciler.core.run_paths import RUNS


class GitHub(Section):
    """GitHub Actions runs `apply`: with a role that only this repository may assume, and no stored key."""

    repository: Annotated[str, names.GITHUB] = Field(description="OWNER/NAME on GitHub.", examples=["owner/repository"])
    owner_id: Annotated[Annotated[str, names.GITHUB_ID] | None, AsWritten()] = Field(
        None,
        description="The id of OWNER; GitHub names repositories that were created, renamed or moved since "
        "2026-07-15 by their ids. `gh api repos/OWNER/NAME --jq .owner.id` prints it.",
        examples=["1234567"],
    )
    repository_id: Annotated[Annotated[str, names.GITHUB_ID] | None, AsWritten()] = Field(
        None,
        description="The id of the repository; `gh api repos/OWNER/NAME --jq .id` prints it.",
        examples=["987654321"],
    )
    by_name_too: bool = Field(
        False,
        description="With the ids: also trust the form without them, while a repository changes over.",
        examples=[True],
    )
    branch: Annotated[str, names.BRANCH] = Field(
        "main", description="Only workflows of this branch may assume the role.", examples=["production"]
    )
    role: Annotated[str, names.ROLE] | None = Field(
        None, description="The role's name. Default: NAME-ci.", examples=["my-ci-role"]
    )
    pull_requests: bool = Field(
        False,
        description="Also make a role that only reads, for `plan` in the repository's own pull requests.",
        examples=[True],
    )
    plan_role: Annotated[str, names.ROLE] | None = Field(
        None,
        description="The name of that role and of its policy. Default: NAME-ci-plan.",
        examples=["my-ci-plan-role"],
    )
    drift: bool = Field(
        False,
        description="Let workflows of the branch assume that role too, for a nightly `plan` that reports drift.",
        examples=[True],
    )

    def subjects(self, context: str) -> tuple[str, ...]:
        """The exact subjects that GitHub's tokens have for this repository. context: such as pull_request.

        https://docs.github.com/actions/concepts/security/openid-connect
        """
        by_name = f"repo:{self.repository}:{context}"
        if self.owner_id is None or self.repository_id is None:
            return (by_name,)
        owner, _, name = self.repository.partition("/")
        by_id = f"repo:{owner}@{self.owner_id}/{name}@{self.repository_id}:{context}"
        return (by_id, by_name) if self.by_name_too else (by_id,)

    @property
    def of_branch(self) -> tuple[str, ...]:
        """The subjects of workflows of the branch."""
        return self.subjects(f"ref:refs/heads/{self.branch}")

    @property
    def of_plans(self) -> tuple[str, ...]:
        """The subjects of workflows that may assume the role that only reads; none where there is no such role."""
        if not self.pull_requests:
            return ()
        return self.subjects("pull_request") + (self.of_branch if self.drift else ())


class GitLab(Section):
    """GitLab CI/CD runs `apply`: with a role that only one branch of one project may assume, and no stored key."""

    project: Annotated[str, names.GITLAB] = Field(description="GROUP/PROJECT on GitLab.", examples=["group/project"])
    url: Annotated[str, names.GITLAB_URL] = Field(
        "https://gitlab.com",
        description="The address of your own GitLab; AWS has to reach it.",
        examples=["https://gitlab.example.com"],
    )
    branch: Annotated[str, names.BRANCH] = Field(
        "main", description="Only jobs of this branch may assume the role.", examples=["production"]
    )
    role: Annotated[str, names.ROLE] | None = Field(
        None, description="The role's name. Default: NAME-ci-gitlab.", examples=["my-gitlab-role"]
    )

    @property
    def host(self) -> str:
        """What IAM calls its provider, and begins the keys of conditions with."""
        return self.url.removeprefix("https://")

    @property
    def subject(self) -> str:
        """The exact subject that GitLab's tokens have for jobs of the branch.

        https://docs.gitlab.com/ci/secrets/id_token_authentication/
        """
        return f"project_path:{self.project}:ref_type:branch:ref:{self.branch}"


class CiUser(Section):
    """An IAM user runs `apply`, for CI systems without OpenID Connect."""

    name: Annotated[str, names.USER] | None = Field(
        None, description="The user's name. Default: NAME-ci.", examples=["my-ci-user"]
    )
    access_keys: Int = Field(
        0,
        ge=0,
        le=1,
        description="1 makes an access key and stores it in an SSM SecureString, never in a log.",
        examples=[1],
    )
    keep_keys: Annotated[tuple[Annotated[str, names.ACCESS_KEY], ...], OneOrMore()] = Field(
        (),
        max_length=ACCESS_KEYS.most,
        description="Ids of access keys that were made elsewhere and are kept; all others are deleted.",
        examples=[["AKIAIOSFODNN7EXAMPLE"]],
    )


class Ci(Section):
    """Who may run `apply` in CI: `github`, `gitlab` or `user`. Without this section nothing is set up."""

    github: GitHub | None = Field(
        None,
        description="A GitHub OIDC provider and a role (recommended).",
        examples=[{"repository": "owner/repository"}],
    )
    gitlab: GitLab | None = Field(
        None, description="A GitLab OIDC provider and a role.", examples=[{"project": "group/project"}]
    )
    user: CiUser | None = Field(None, description="An IAM user.", examples=[{"name": "my-ci-user"}])
    policy_name: Annotated[str, names.POLICY] | None = Field(
        None, description="The name of its policy. Default: NAME-ci-policy.", examples=["my-ci-policy"]
    )
    policy: Policy | None = Field(
        None,
        description="A policy document instead of what `apply` needs (docs/decisions/ci-permissions.md).",
        examples=[{"Statement": [{"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}]}],
    )


class Deploy(Section):
    """Everything that one containerised training pipeline needs in AWS."""

    name: Annotated[str, names.DEPLOY] = Field(
        description="The deploy's name; other names follow from it.", examples=["my-pipeline"]
    )
    region: Annotated[str, names.REGION] = Field("us-east-1", description="The AWS region.", examples=["eu-central-1"])
    account: Annotated[Annotated[str, names.ACCOUNT] | None, AsWritten()] = Field(
        None, description="The account's id; credentials of any other account are refused.", examples=["123456789012"]
    )
    tags: Annotated[dict[Annotated[str, names.TAG_KEY], Annotated[str, names.TAG_VALUE]], AsWritten()] = Field(
        {}, max_length=40, description="Tags for every resource that can have tags.", examples=[{"team": "forecasting"}]
    )
    data: Annotated[
        Data,
        BeforeValidator(short_for("files", str | list), json_schema_input_type=str | tuple[str | DataFile, ...] | Data),
    ] = Field(Data(), description="The bucket and the files to upload.", examples=["data/prices.csv"])
    image: Annotated[Image, BeforeValidator(short_for("context"), json_schema_input_type=str | Image)] = Field(
        Image(), description="The container image.", examples=["training"]
    )
    task: Task = Field(Task(), description="The task definition.", examples=[{"cpu": 4096, "memory": "8GB"}])
    parameters: Parameters = Field(
        {},
        description="Hyperparameters in SSM Parameter Store, by the name of their environment variable.",
        examples=[{"ETA": 0.1, "API_TOKEN": {"secure": True}}],
    )
    logs: Logs = Field(Logs(), description="The log group.", examples=[{"retention_days": 7}])
    cluster: Cluster = Field(Cluster(), description="The cluster.", examples=[{"name": "my-cluster"}])
    network: Network = Field(
        Network(), description="VPC, subnets and security group.", examples=[{"vpc": "vpc-0123456789abcdef0"}]
    )
    ci: Ci | None = Field(
        None, description="Who may run `apply` in CI.", examples=[{"github": {"repository": "owner/repository"}}]
    )
    run: Run = Field(Run(), description="The training run.", examples=[{"when": "always"}])
    runs: Runs = Field(Runs(), description="The record of runs.", examples=[{"keep": "90d"}])
    schedule: Schedule | None = Field(
        None, description="Starts runs at fixed times.", examples=[{"when": "cron(0 6 * * ? *)"}]
    )
    notify: Notify | None = Field(
        None, description="Notifications about the ends of runs.", examples=[{"email": ["team@example.com"]}]
    )
    service: Service | None = Field(
        None, description="An ECS service, which keeps tasks running.", examples=[{"desired_count": 1}]
    )
    allow: Allow = Field(
        Allow(),
        description="Attachments by others to this deploy's resources that may stay. docs/attached.md explains it.",
        examples=[{"bucket": ["arn:aws:s3:::my-backup"]}],
    )
    environments: dict[Annotated[str, names.ENVIRONMENT], dict[str, Any]] = Field(
        {},
        description="Differences between environments, chosen with `--env`; the environment is added to NAME. "
        "docs/environments.md explains it.",
        examples=[{"dev": {"task": {"cpu": 256, "memory": 512}}, "prod": {"account": "123456789012"}}],
    )

    def filled(self) -> Deploy:
        """This deploy with every default that follows from another field filled in, but for the bucket's name."""
        name = self.name
        data = self.data.model_copy(update={"files": tuple(f.filled() for f in self.data.files)})
        family = self.task.family or name
        image: dict[str, Any] = {"repository": self._repository()}
        if self.image.uri is not None and "context" not in self.image.model_fields_set:
            image["context"] = None
        task = {
            "family": family,
            "execution_role": _fill(self.task.execution_role, name=f"{name}-task-execution-role"),
            "role": self._role(data),
            **self._stop_timeout(),
        }
        group = _fill(
            self.network.security_group, name=name, description=group_texts(name)[0 if self.run.workers is None else 1]
        )
        return self.model_copy(
            update={
                "data": data,
                "image": self.image.model_copy(update=image),
                "task": self.task.model_copy(update=task),
                "logs": _fill(self.logs, group=f"/ecs/{family}", mode=self._log_mode()),
                "cluster": _fill(self.cluster, name=name),
                "network": self.network.model_copy(update={"security_group": group}),
                "ci": self._ci(),
                "schedule": self.schedule and _fill(self.schedule, name=f"{name}-schedule"),
                "notify": self.notify and _fill(self.notify, topic=f"{name}-runs"),
                "parameters": filled_parameters(self.parameters, name),
                "run": self._run(),
                "service": self._service(),
            }
        )

    @property
    def runs_kept(self) -> float | None:
        """Seconds after its end for which a run is in the bucket; None for always."""
        rules = (rule for rule in self.data.bucket.lifecycle if f"{RUNS}/".startswith(rule.prefix))
        days = [rule.expire_days * DAY for rule in rules if rule.expire_days is not None]
        ages = [*days, *([self.runs.keep] if self.runs.keep is not None else [])]
        return min(ages, default=None)

    def _stop_timeout(self) -> dict[str, int]:
        """Spot gives two minutes' notice, and ECS sends SIGTERM at its beginning: a program may use all of it."""
        places = (*self.run.capacity, self.service.capacity if self.service else None)
        spot = SPOT in places or MANAGED_SPOT in places
        return {"stop_timeout": LONGEST_STOP} if self.task.stop_timeout is None and spot else {}

    def _log_mode(self) -> str:
        """No line is lost unless the file says so; a buffer is of the other mode only."""
        options = self.logs.options
        return options.get(MODE, NON_BLOCKING if BUFFER in options else BLOCKING)

    @property
    def has_function(self) -> bool:
        """Whether a Lambda function sees runs through."""
        return self.schedule is not None or self.run.unattended

    @property
    def providers(self) -> tuple[str, ...]:
        """All capacity providers that it uses, but for those of workers."""
        service = (self.service.capacity,) if self.service and self.service.capacity else ()
        return tuple(dict.fromkeys((*self.run.capacity, *service)))

    @property
    def managed_providers(self) -> dict[str, str]:
        """Those that are made for it, by name, each with what the file calls it."""
        made_providers = {provider_name(self.name, capacity): capacity for capacity in (MANAGED, MANAGED_SPOT)}
        return {name: made_providers[name] for name in self.providers if name in made_providers}

    @property
    def own_providers(self) -> tuple[str, ...]:
        """Those that are neither Fargate's nor made for it."""
        not_own = {*FARGATE, *self.managed_providers}
        return tuple(name for name in self.providers if name not in not_own)

    @property
    def requirements(self) -> Requirements:
        """What a managed instance for its task has to have."""
        task = self.task
        return requirements(task.cpu, task.memory, task.gpu, task.gpu_type, task.platform)

    def _provider(self, capacity: str) -> str:
        return provider_name(self.name, capacity) if capacity in (MANAGED, MANAGED_SPOT) else capacity

    def _service(self) -> Service | None:
        if self.service is None:
            return None
        capacity = self._provider(self.service.capacity or self.run.capacity[0])
        return _fill(self.service, name=self.name).model_copy(update={"capacity": capacity})

    def _run(self) -> Run:
        """A service keeps its tasks running, so that nothing is launched beside it unless the file says so; and an
        unattended run goes on without whoever looks at it.
        """
        fields_set, usual = (
            self.run.model_fields_set,
            dict[str, Any](capacity=tuple(map(self._provider, self.run.capacity))),
        )
        if self.service is not None and "when" not in fields_set:
            usual["when"] = "never"
        if self.run.unattended and "on_interrupt" not in fields_set:
            usual["on_interrupt"] = "detach"
        workers = self.run.workers and _fill(self.run.workers, cpu=self.task.cpu, memory=self.task.memory)
        return self.run.model_copy(update={**usual, "workers": workers})

    def _repository(self) -> Repository | None:
        """With an image that exists there is none of ours, unless the file says so."""
        if self.image.uri is None:
            return _fill(self.image.repository or Repository(), name=self.name)
        repository = self.image.repository if "repository" in self.image.model_fields_set else None
        return repository and _fill(repository, name=self.name)

    def _role(self, data: Data) -> TaskRole:
        role = _fill(self.task.role, name=f"{self.name}-task-role", policy_name=f"{self.name}-task-policy")
        if role.only_policy:
            return role
        write = WRITE if role.write is None else role.write
        # A program may read what it has written: its results so far, a model of another run.
        return _fill(role, read=tuple(dict.fromkeys((*(f.readable for f in data.uploads), *write))), write=write)

    def _ci(self) -> Ci | None:
        if self.ci is None:
            return None
        ci = _fill(self.ci, policy_name=f"{self.name}-ci-policy")
        return ci.model_copy(
            update={
                "github": ci.github and _fill(ci.github, role=f"{self.name}-ci", plan_role=f"{self.name}-ci-plan"),
                "gitlab": ci.gitlab and _fill(ci.gitlab, role=f"{self.name}-ci-gitlab"),
                "user": ci.user and _fill(ci.user, name=f"{self.name}-ci"),
            }
        )


S = TypeVar("S", bound=Section)


def _fill(section: S, **defaults: Any) -> S:
    return section.model_copy(update={k: v for k, v in defaults.items() if getattr(section, k) is None})
