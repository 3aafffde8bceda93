"""From what the file says to the resources that it means: `Deploy` and `Facts` to a `Graph`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from reconciler.config import Deploy
from reconciler.config.resource_names import Facts
from reconciler.config.resource_names import Names as Names
from reconciler.config.service import provider_name
from reconciler.config.storage import DataFile
from reconciler.config.task import TaskRole
from reconciler.core.attached import OpenSpec
from reconciler.core.canonical import allow, strings
from reconciler.core.capacity import Weight
from reconciler.core.container import Container
from reconciler.core.durations import DAY
from reconciler.core.errors import UserError
from reconciler.core.fargate import FARGATE
from reconciler.core.given_data import GivenData
from reconciler.core.graph import Graph, Node
from reconciler.core.log_driver import MODE, MODES
from reconciler.core.managed_instances import MANAGED, MANAGED_SPOT
from reconciler.core.run_paths import RUNS, fingerprint_key, index_key, record_key
from reconciler.core.spec import PROTECT_TAG, Address, Ref, Spec
from reconciler.image.kind import ImageSpec
from reconciler.kinds import (
    BucketSpec,
    ClusterSpec,
    FolderSpec,
    LogGroupSpec,
    ObjectSpec,
    RepositorySpec,
    RoleSpec,
    SecurityGroupSpec,
    TaskDefinitionSpec,
)
from reconciler.kinds.ec2_security_group import EVERYWHERE
from reconciler.kinds.ecr_repository import tag_mutability
from reconciler.kinds.s3_bucket import BLOCKS, Expiry
from reconciler.lower import checkpoints, given_data, promotion, workers
from reconciler.lower.capacity import launch_types, managed_instances, requirements, service
from reconciler.lower.ci import ci_nodes, given, service_trust
from reconciler.lower.events import scheduler_role, unattended
from reconciler.lower.execution import TASKS, execution_role
from reconciler.lower.managed import arns_of, managed
from reconciler.lower.parameters import needs, parameters, secrets, variables
from reconciler.permissions import keys
from reconciler.permissions.folders import by_folder, fewest
from reconciler.permissions.judge import decide
from reconciler.permissions.policies import EXECUTION_POLICY as EXECUTION_POLICY
from reconciler.permissions.policies import documents

# What ECS's agent in a task needs for a shell; AWS knows no resources for it.
EXEC = [f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")]

DataSpec = ObjectSpec | FolderSpec | GivenData


def lower(
    deploy: Deploy,
    facts: Facts,
    data: Sequence[DataSpec] = (),
    image: Spec | None = None,
    fallback: str = "",
    values: Mapping[str, str] = MappingProxyType({}),
    own_managed: Collection[str] = (),
) -> Graph:
    """All resources of a deploy.

    data: the files and folders to upload, read, and what was found in S3. image: the image to build, or None; then the
    task definition names `image.uri`, or `fallback` (what is there, or the tag `latest`). values: of parameters that
    the file has none for. own_managed: those of the user's capacity providers that are of managed instances.

    Raises UserError where a name that the file gives is also one that follows from the deploy's.
    """
    names = Names(deploy, facts)
    roles = [*_task_roles(names), *_stop_role(names)]
    other_nodes = [
        *_bucket(names, data),
        *_image(names, image),
        *parameters(names),
        *_run(names, image, fallback, values, data, own_managed),
        *managed_instances(names),
        *service(names),
        *unattended(names),
    ]
    specs = [node.spec for node in (*roles, *other_nodes)]
    if image is None and deploy.image.uri is None:  # left as it is this time, and CI pushes it all the same
        specs.append(ImageSpec(name=names.repository))
    nodes = [*roles, *ci_nodes(names, specs), *other_nodes]
    _all_different(nodes)
    return Graph(_allowing(names, node) for node in nodes)


def _all_different(nodes: Sequence[Node]) -> None:
    """Raises UserError for two resources of one name. IAM's names don't differ by case alone."""
    first: dict[tuple[str, str], str] = {}
    for kind, name in (node.spec.address for node in nodes):
        identity = kind, name.lower() if kind in ("policy", "role", "user") else name
        if identity in first:
            same = {first[identity]: None, name: None}
            message = f"two resources of this deploy would be the {kind} {' and '.join(same)}"
            raise UserError(message, hint="give the one that the file names another name, or leave its name out")
        first[identity] = name


def _allowing(names: Names, node: Node) -> Node:
    """The node with what the file lets be of what others attached to it."""
    allow = names.deploy.allow.of(node.spec.kind)
    if not allow or not isinstance(node.spec, OpenSpec):
        return node
    return replace(node, spec=node.spec.model_copy(update={"allow": strings(allow)}))


def resources(names: Names) -> list[Spec]:
    """All resources of the deploy as far as they follow from its file alone, the objects and the image by their names:
    no file that it names is read, nor AWS.
    """
    deploy = names.deploy
    files = [_bare(names.bucket, file) for file in deploy.data.files]
    image = ImageSpec(name=names.repository) if deploy.image.uri is None else None
    return [node.spec for node in lower(deploy, names.facts, files, image).nodes.values()]


def _bare(bucket: str, file: DataFile) -> DataSpec:
    if file.given:
        return GivenData(file.place)
    return FolderSpec(name=f"{bucket}/{file.prefix}") if file.tree else ObjectSpec(name=f"{bucket}/{file.key}")


def writes_records(names: Names) -> bool:
    """Whether the file lets the program write the records of runs, by which `apply` decides what is to be run."""
    records = (
        record_key("20000101-000000-00000000"),
        fingerprint_key("0" * 64),
        *(index_key("head.json.gz", scheduled) for scheduled in (False, True)),
    )
    return any(_allows(names, "s3:PutObject", path) for path in records)


def may_read(names: Names, path: str) -> bool:
    """Whether the file lets the program read this path of the bucket."""
    return _allows(names, "s3:GetObject", path)


def _allows(names: Names, action: str, path: str) -> bool:
    role = names.deploy.task.role
    statements = [*([] if role.only_policy else task_statements(names)), *_given(role)]
    return decide([{"Statement": statements}], action, names.s3(path)) == "allowed"


def _given(role: TaskRole) -> list[dict[str, Any]]:
    """The statements of `task.role.policy`; beside ours without Sids, of which no policy may have one twice."""
    statements = given(role.policy) if role.policy else []
    return (
        statements
        if role.only_policy
        else [{k: v for k, v in statement.items() if k != "Sid"} for statement in statements]
    )


def task_policies(names: Names) -> list[dict[str, Any]]:
    """What the training program may do, in as few policies as can be: files that don't fit into a single one are named
    by their folders.
    """
    role, files = names.deploy.task.role, [str(file.key) for file in names.deploy.data.uploads if not file.tree]
    if role.only_policy:
        return documents(_given(role))
    read = role.read or ()
    other_paths = [path for path in read if path not in files]
    forms = [(*form, *other_paths) for form in by_folder([path for path in read if path in files])]
    # Last without the listing of what is in no folder, which is there when the program looks.
    makers = [partial(task_statements, names, form) for form in forms]
    makers.append(partial(task_statements, names, forms[-1], [path for path in forms[-1] if path not in files]))
    return fewest(documents([*make(), *_given(role)]) for make in makers)


def task_statements(
    names: Names, paths: Sequence[str] | None = None, listed: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """What the training program may do, as `read`, `write`, `run.promote` and `run.checkpoint` say: these paths and
    nothing else.

    paths: instead of `read`. listed: what of these may be listed; None for all.
    """
    role, (more_read, more_write) = names.deploy.task.role, promotion.paths(names)
    paths = (role.read or ()) if paths is None else paths
    read = tuple(dict.fromkeys((*paths, *more_read)))
    write = tuple(dict.fromkeys((*(role.write or ()), *more_write)))
    statements: list[dict[str, Any]] = []
    if read:
        statements.append(allow("Read", "s3:GetObject", [names.s3(path) for path in read]))
    if write:
        actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
        statements.append(allow("Write", actions, [names.s3(path) for path in write]))
    if names.deploy.run.exec:
        statements.append(allow("Exec", EXEC, "*"))
    if checkpoint_paths := checkpoints.paths(names):
        statements.append(checkpoints.statement(names))
    if prefixes := sorted({*(read if listed is None else (*listed, *more_read)), *write, *checkpoint_paths}):
        # Listing lets a missing object be told from a forbidden one; only these paths are listed.
        condition = {"StringLike": {"s3:prefix": prefixes}}
        statements.append(allow("List", "s3:ListBucket", names.s3(), condition))
    if (read or write or checkpoint_paths) and (key := names.deploy.data.bucket.kms_key):
        through_s3 = keys.through("s3", names.deploy.region)
        statements.append(keys.use(key, keys.WRITE if write or checkpoint_paths else [keys.DECRYPT], through_s3))
    return [*statements, *given_data.statements(names)]


def _task_roles(names: Names) -> Iterator[Node]:
    task, tags = names.deploy.task, names.tags
    yield from execution_role(names)
    nonempty = [document for document in task_policies(names) if document["Statement"]]
    attached = managed(names, str(task.role.policy_name), nonempty)
    yield from attached
    role = RoleSpec(
        name=str(task.role.name),
        trust=service_trust(names, TASKS, only_here=task.role.source_account),
        description=task.role.description,
        managed_policies=tuple(arns_of(attached)),
        tags=tags,
    )
    yield Node(role, tuple(node.spec.address for node in attached))


def _stop_role(names: Names) -> Iterator[Node]:
    """What may stop the tasks of this cluster, and nothing else."""
    if names.deploy.run.limited:
        tasks = names.arn("ecs", f"task/{names.deploy.cluster.name}/*")
        description = "Stops a task when run.max_duration is over"
        yield scheduler_role(names, names.stop_role, description, "stop", [allow("", "ecs:StopTask", tasks)])


def _bucket(names: Names, data: Sequence[DataSpec]) -> Iterator[Node]:
    bucket = names.deploy.data.bucket
    rules = [Expiry(**rule.model_dump()) for rule in bucket.lifecycle]
    if (keep := names.deploy.runs.keep) is not None:
        rules.append(Expiry(prefix=f"{RUNS}/", expire_days=keep // DAY))
    if names.deploy.run.checkpoint:
        rules.append(checkpoints.LEFT)
    spec = BucketSpec(
        name=names.bucket,
        region=names.deploy.region,
        public_access_block=BLOCKS if bucket.block_public_access else (),
        versioning=bucket.versioning,
        encryption=bucket.encryption,
        kms_key=bucket.kms_key or "",
        lifecycle=tuple(sorted(rules, key=Expiry.model_dump_json)),
        tags=names.tags | protection(bucket.protect),
    )
    yield Node(spec, protect=bucket.protect)
    for data_spec in data:
        if not isinstance(data_spec, GivenData):
            yield Node(data_spec, (spec.address,), protect=bucket.protect)


def protection(protect: bool) -> dict[str, str]:
    """The tag that keeps a resource when `protect: true`, or all of the resource, has left the file."""
    return {PROTECT_TAG: "true"} if protect else {}


def _image(names: Names, image: Spec | None) -> Iterator[Node]:
    repository = names.deploy.image.repository
    if repository is None:  # `image.uri` alone
        return
    spec = RepositorySpec(
        name=names.repository,
        scan_on_push=repository.scan_on_push,
        tag_mutability=tag_mutability(repository.immutable_tags, repository.moving_tags),
        tag_exclusions=repository.moving_tags,
        keep_images=repository.keep_images,
        tags=names.tags | protection(repository.protect),
    )
    yield Node(spec, protect=repository.protect)
    if image is not None:
        yield Node(image, (spec.address,), protect=repository.protect)


def environment(names: Names, values: Mapping[str, str], data: Sequence[DataSpec]) -> dict[str, str | Ref]:
    """The task's environment: the file's, and where its data is unless the file says so."""
    env: dict[str, str | Ref] = {"AWS_DEFAULT_REGION": names.deploy.region, "S3_BUCKET": names.bucket}
    if data:
        first = data[0]
        env |= {"USE_S3": "true", "S3_KEY": first.first_key}
        if isinstance(first, FolderSpec):
            env["S3_PREFIX"] = first.place["Prefix"]
        elif isinstance(first, GivenData):
            env["S3_BUCKET"] = first.place.bucket
            if first.place.is_folder:
                env["S3_PREFIX"] = first.place.path
    env |= {**names.deploy.task.environment, **variables(names, values), **promotion.variable(names)}
    return {name: env[name] for name in sorted(env.keys() - secrets(names).keys())}


def log_options(deploy: Deploy) -> dict[str, str]:
    """What the log driver is told."""
    return {
        "awslogs-group": str(deploy.logs.group),
        "awslogs-region": deploy.region,
        "awslogs-stream-prefix": deploy.logs.stream_prefix,
        **({MODE: deploy.logs.mode} if deploy.logs.mode in MODES else {}),
        **deploy.logs.options,
    }


def _run(
    names: Names,
    image: Spec | None,
    fallback: str,
    values: Mapping[str, str],
    data: Sequence[DataSpec],
    own_managed: Collection[str],
) -> Iterator[Node]:
    types = launch_types(names.deploy, (*names.deploy.managed_providers, *own_managed))
    deploy, task, tags = names.deploy, names.deploy.task, names.tags
    group, cluster = deploy.network.security_group, deploy.cluster
    yield Node(LogGroupSpec(name=str(deploy.logs.group), retention_in_days=deploy.logs.retention_days, tags=tags))
    yield Node(
        SecurityGroupSpec(
            name=str(group.name),
            description=str(group.description),
            alike=workers.descriptions(names),
            vpc=names.facts.vpc,
            ingress=workers.ingress(names),
            egress=(EVERYWHERE,),
            tags=tags,
        )
    )
    strategy = [Weight(provider=w.provider, weight=w.weight, base=w.base) for w in cluster.default_strategy]
    yield Node(
        ClusterSpec(
            name=str(cluster.name),
            capacity_providers=(*FARGATE, *(name for name in deploy.own_providers if name not in own_managed)),
            managed=(*(provider_name(deploy.name, capacity) for capacity in (MANAGED, MANAGED_SPOT)), *own_managed),
            default_strategy=tuple(sorted(strategy, key=lambda w: w.provider)),
            container_insights="enabled" if cluster.container_insights else "disabled",
            tags=tags,
        )
    )
    container = Container(
        name=task.container,
        image=Ref(image.address, "uri") if image else deploy.image.uri or fallback or f"{names.repository_uri}:latest",
        entrypoint=task.entrypoint,
        command=task.command,
        environment=environment(names, values, data),
        secrets=secrets(names),
        log_driver="awslogs",
        log_options=log_options(deploy),
        stop_timeout=task.stop_timeout,
        extra=requirements(names),
    )
    roles = (str(task.execution_role.name), str(task.role.name))
    spec = TaskDefinitionSpec(
        name=str(task.family),
        cpu=task.cpu,
        memory=task.memory,
        compatibilities=types,
        execution_role=names.iam(f"role/{roles[0]}"),
        task_role=names.iam(f"role/{roles[1]}"),
        cpu_architecture=task.platform,
        ephemeral_storage=task.ephemeral_storage if "FARGATE" in types else None,
        containers=(container,),
        tags=tags,
    )
    roles_and_log = (*(Address("role", role) for role in roles), Address("log-group", str(deploy.logs.group)))
    yield Node(spec, (*roles_and_log, *needs(names)))
