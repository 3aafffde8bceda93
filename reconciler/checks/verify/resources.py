"""The task definition, the data, the log, the cluster, secrets and quotas."""

from __future__ import annotations

from reconciler.aws.calls import Aws
from reconciler.checks.findings import Finding, group, ng, ok, skip
from reconciler.checks.verify.live import APPLY, Live, may
from reconciler.config import Deploy, file_checksums
from reconciler.config.data_tree import files_of
from reconciler.config.file_checksums import sha256_of
from reconciler.config.storage import DataFile
from reconciler.core import wildcard
from reconciler.core.aws_names import secret_resources
from reconciler.core.errors import AwsError, Denied, Gone
from reconciler.core.given_data import GivenData
from reconciler.kinds import Cluster, ClusterSpec, Folder, LogGroup, LogGroupSpec, Object, ObjectSpec
from reconciler.kinds.s3_folder import folder_of
from reconciler.lower.parameters import secrets as secrets_of
from reconciler.permissions import keys

VCPUS = {"FARGATE": ("L-3032A538", "on demand"), "FARGATE_SPOT": ("L-36FBB829", "Spot")}  # quotas of Fargate


def task_definition(live: Live) -> Finding:
    """The task definition is active, with the file's roles and size."""
    subject, task, section = "task definition", live.task, live.deploy.task
    if task is None:
        return group(subject, ng("active", f"{section.family} has no active revision", f"{APPLY} registers one"))
    spec, names = task.spec, live.names
    family = ok("active", f"{spec.name}:{task.attributes['revision']}")
    expected = {
        "cpu": (spec.cpu, section.cpu),
        "memory": (spec.memory, section.memory),
        "execution role": (spec.execution_role, names.iam(f"role/{section.execution_role.name}")),
        "task role": (spec.task_role, names.iam(f"role/{section.role.name}")),
    }
    container = next((c for c in spec.containers if c.name == section.container), None)
    if container is None:
        return group(
            subject, family, ng("container", f"it has none named {section.container}", f"{APPLY} registers another")
        )
    if live.deploy.image.uri is not None:
        expected["image"] = (str(container.image), live.deploy.image.uri)
    wrong = [
        f"{name} is {actual}, not {declared}" for name, (actual, declared) in expected.items() if actual != declared
    ]
    if wrong:
        return group(subject, family, ng("as the file says", "; ".join(wrong), f"{APPLY} registers the next revision"))
    return group(subject, family, ok("as the file says", "image, roles and size"))


def data(live: Live) -> Finding:
    """Each file of the file: in the bucket, with the checksum that the one here has; a folder's all together."""
    files = live.deploy.data.uploads
    if not live.deploy.data.files:
        return group("data", skip("files", "deploy.yaml names none"))
    file_checksums.recall(live.base, live.deploy.name)
    wants = []
    inside = [_folder(live, file) for file in files if file.tree]
    for file in files:
        if file.tree:
            continue
        path, name = live.base / file.file, f"{live.names.bucket}/{file.key}"
        here = {"file": str(path), "sha256": sha256_of(path), "size": path.stat().st_size} if path.is_file() else {}
        wants.append(ObjectSpec(name=name, **here))
    observed = Object().observe(live.aws, wants)
    for want in wants:
        subject, stored = f"s3://{want.name}", observed.get(want.name)
        if stored is None:
            inside.append(ng(subject, "isn't there", f"{APPLY} uploads it"))
        elif not want.sha256:
            inside.append(ok(subject, f"{stored.spec.size:,} bytes; its file isn't here to compare"))
        elif stored.spec.sha256 != want.sha256:
            inside.append(ng(subject, "has other content than the file here", f"{APPLY} uploads it again"))
        else:
            inside.append(ok(subject, f"SHA-256 {want.sha256[:12]}, as the file here"))
    return group("data", *inside, *(_given(live, source) for source in live.given_data))


def _given(live: Live, source: GivenData) -> Finding:
    """Data that is in S3 already: there, and readable as the program would read it, by a byte of its first object."""
    subject = source.place.uri
    if source.trouble:
        return ng(subject, source.trouble.removeprefix(f"data: {subject}: "), source.fix)
    first = {"Bucket": source.place.bucket, "Key": source.first_key}
    try:
        live.aws.call("s3", "GetObject", **first, **({"Range": "bytes=0-0"} if source.size else {}))
    except Denied as error:
        why = f"{source.first_key} may not be read: {error.reason or error.code}"
        return ng(subject, why, f"{error.hint}; under a KMS key, kms:Decrypt too, and kms_key: beside the URI")
    except Gone:
        return ng(subject, f"{source.first_key} is gone since it was listed", "run this again")
    return ok(subject, source.text)


def _folder(live: Live, data: DataFile) -> Finding:
    subject = f"s3://{live.names.bucket}/{data.prefix}"
    is_here = (live.base / data.folder).is_dir()
    files = files_of(data, live.base, live.deploy.run.results) if is_here else ()
    want = folder_of(subject.removeprefix("s3://"), data, files, {})
    stored = Folder().observe(live.aws, [want]).get(want.name)
    if stored is None:
        return ng(subject, "has none of the files", f"{APPLY} uploads them")
    if not is_here:
        return ok(subject, f"{len(stored.spec.others):,} files; the folder isn't here to compare")
    wrong = sorted(key for key, sha in want.files.items() if stored.spec.files.get(key) != sha)
    if wrong:
        return ng(
            subject,
            f"{len(wrong):,} of {len(want.files):,} files differ, such as {wrong[0]}",
            f"{APPLY} uploads them again",
        )
    return ok(subject, f"{len(want.files):,} files, as here")


def log(live: Live) -> Finding:
    """The group is there, and the execution role may write to it."""
    name = str(live.deploy.logs.group)
    groups = LogGroup().observe(live.aws, [LogGroupSpec(name=name)])
    stream = live.names.arn("logs", f"log-group:{name}:log-stream:{live.deploy.logs.stream_prefix}/main/id")
    needs = {stream: {"logs:CreateLogStream", "logs:PutLogEvents"}}
    role = str(live.deploy.task.execution_role.name)
    return group(
        "log",
        ok("group", name) if name in groups else ng("group", f"there is no log group {name}", f"{APPLY} makes it"),
        may(live, "writable", role, needs, f"{APPLY} attaches what it needs"),
    )


def cluster(live: Live) -> Finding:
    """The cluster is there and active."""
    name = str(live.deploy.cluster.name)
    observed = Cluster().observe(live.aws, [ClusterSpec(name=name)]).get(name)
    if observed is None:
        return group("cluster", ng("active", f"there is no cluster {name}", f"{APPLY} makes it"))
    status = observed.attributes["status"]
    good = status == "ACTIVE"
    return group("cluster", ok("active", name) if good else ng("active", f"{name} is {status}", f"wait, or {APPLY}"))


def secrets(live: Live) -> Finding:
    """Each secret is there, and the execution role may read it. None is read here."""
    arns = secrets_of(live.names)
    if not arns:
        return group("secrets", skip("secrets", "deploy.yaml names none"))
    inside = [_there(live.aws, variable, arn) for variable, arn in arns.items()]
    needs: dict[str, set[str]] = {}
    for arn in arns.values():
        action = "ssm:GetParameters" if ":ssm:" in arn else "secretsmanager:GetSecretValue"
        for resource in secret_resources(arn):
            needs.setdefault(resource, set()).add(action)
    of_parameters = [parameter.kms_key for parameter in live.deploy.parameters.values() if parameter.kms_key]
    for key in (*live.deploy.task.secret_keys, *of_parameters):
        if ":alias/" not in key:
            needs.setdefault(key, set()).add(keys.DECRYPT)
    role = str(live.deploy.task.execution_role.name)
    return group("secrets", *inside, may(live, "readable", role, needs, f"{APPLY} lets it read them"))


def _there(aws: Aws, variable: str, arn: str) -> Finding:
    subject, parts = f"{variable}", arn.split(":")
    try:
        if parts[2] == "ssm":
            name = "/" + parts[5].removeprefix("parameter/")
            filters = [{"Key": "Name", "Option": "Equals", "Values": [name, name.lstrip("/")]}]
            matches = list(aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=filters))
            make = f"aws ssm put-parameter --name {name} --type SecureString --value …"
        else:
            answer = aws.find("secretsmanager", "DescribeSecret", SecretId=":".join(parts[:7]))
            matches = [answer] if answer and not answer.get("DeletedDate") else []
            if matches and not any(wildcard.matches(form, matches[0]["ARN"]) for form in secret_resources(arn)):
                own = matches[0]["ARN"]
                return ng(subject, f"the secret's ARN is {own}, and the role may not read it by {arn}", f"write {own}")
            make = "make it with: aws secretsmanager create-secret"
    except Denied as error:
        return skip(subject, f"{error.hint} to see whether it is there")
    return ok(subject, "there") if matches else ng(subject, f"nothing is at {arn}", make)


def vcpus(deploy: Deploy) -> dict[str, float]:
    """How many vCPUs a run needs of each capacity provider at most: where all its tasks and workers are there."""
    run, by_provider = deploy.run, dict[str, float]()
    tasks = [(run.capacity, run.sweep.max_parallel if run.sweep else 1, deploy.task.cpu)]
    if workers := run.workers:
        tasks.append((workers.capacity, workers.count, workers.cpu or deploy.task.cpu))
    for providers, count, cpu in tasks:
        for provider in dict.fromkeys(providers):
            by_provider[provider] = by_provider.get(provider, 0.0) + count * cpu / 1024
    return by_provider


def quotas(live: Live) -> Finding:
    """As many vCPUs of Fargate at a time as the file asks for."""
    deploy, inside = live.deploy, []
    for provider, vcpu_count in vcpus(deploy).items():
        if provider not in VCPUS:
            inside.append(skip(provider, "its instances decide"))
            continue
        code, how = VCPUS[provider]
        inside.append(_quota(live.aws, f"Fargate vCPUs {how}", code, vcpu_count, deploy.region))
    return group("quotas", *inside)


def _quota(aws: Aws, subject: str, code: str, vcpu_count: float, region: str) -> Finding:
    try:
        answer = aws.find("service-quotas", "GetServiceQuota", ServiceCode="fargate", QuotaCode=code)
    except Denied as error:
        return skip(subject, f"{error.hint} to see the quota")
    except AwsError as error:
        return skip(subject, f"AWS doesn't say: {error.code}")
    if answer is None:
        return skip(subject, "AWS doesn't say what the quota is")
    value = float(answer["Quota"]["Value"])
    if value < vcpu_count:
        fix = f"aws service-quotas request-service-quota-increase --service-code fargate --quota-code {code} "
        fix += f"--desired-value {vcpu_count:g} --region {region}; or a smaller task, or fewer at a time"
        return ng(subject, f"{value:g} may run at a time, and a run needs {vcpu_count:g}", fix)
    return ok(subject, f"{value:g} may run at a time, a run needs {vcpu_count:g}")
