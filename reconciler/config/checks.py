"""What concerns several fields at once, and the files that deploy.yaml names. Single fields are valid by then."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath

from reconciler.aws.regions import known_regions
from reconciler.config.checks_arns import check_arns
from reconciler.config.checks_capacity import check_capacity
from reconciler.config.checks_task import check_task, check_unattended, check_workers
from reconciler.config.data_tree import Refused, files_of
from reconciler.config.explain import flow
from reconciler.config.names import BUCKET, IMAGE_URI, OBJECT_KEY, default_bucket
from reconciler.config.problems import Path, quoted, repeated, show_path
from reconciler.config.problems import Problem as Problem
from reconciler.config.run import COMBINATIONS, most
from reconciler.config.schema import Deploy
from reconciler.config.storage import WILD, DataFile
from reconciler.core.aws_names import ACCOUNT_REGIONAL, OLD_BUCKET, same_tags
from reconciler.core.given_data import OTHER_BUCKET, OWN_BUCKET
from reconciler.core.limits import ACCESS_KEYS, IMAGE
from reconciler.core.run_paths import RUNS
from reconciler.core.wildcard import matches

ELSEWHERE = (
    "data takes files of this machine, and places in S3 as s3://BUCKET/PREFIX/; for data from elsewhere, give the "
    "program the URL in task.environment and let it read the data itself"
)


def check(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with a filled deploy beyond single fields."""
    yield from _region(deploy)
    yield from _bucket(deploy)
    yield from _files(deploy)
    yield from _image(deploy)
    yield from _task(deploy)
    yield from _environment(deploy)
    yield from _capacity(deploy)
    yield from check_capacity(deploy)
    yield from check_task(deploy)
    yield from check_arns(deploy)
    yield from _sweep(deploy)
    yield from check_unattended(deploy)
    yield from check_workers(deploy)
    github = deploy.ci.github if deploy.ci else None
    if github and (github.owner_id is None) != (github.repository_id is None):
        given, missing = ("owner_id", "repository_id") if github.owner_id else ("repository_id", "owner_id")
        path = ".owner.id" if missing == "owner_id" else ".id"
        yield Problem(
            ("ci", "github", given),
            f"{given} is only used together with {missing}",
            f"add {missing}: what `gh api repos/{github.repository} --jq {path}` prints",
        )
    if github and github.by_name_too and github.owner_id is None:
        yield Problem(
            ("ci", "github", "by_name_too"),
            "by_name_too needs both ids: without them the repository is trusted by its name alone already",
            "add owner_id and repository_id, or leave by_name_too out",
        )
    if github and github.drift and not github.pull_requests:
        problem = "drift uses the role for pull requests, and this file makes none"
        yield Problem(("ci", "github", "drift"), problem, "add pull_requests: true")
    if deploy.ci and not (deploy.ci.github or deploy.ci.gitlab or deploy.ci.user):
        fix = "add github: {repository: OWNER/NAME}, gitlab: {project: GROUP/PROJECT}, or user: {}"
        yield Problem(("ci",), "ci doesn't say who may run apply", fix)
    user = deploy.ci.user if deploy.ci else None
    if user and ACCESS_KEYS.exceeded(len(user.keep_keys) + user.access_keys):
        message = f"with keep_keys the user would have more than {ACCESS_KEYS.most} keys, which is all that IAM allows"
        yield Problem(("ci", "user", "access_keys"), message, "keep fewer, or write 0")
    yield from _names(deploy)


def _region(deploy: Deploy) -> Iterator[Problem]:
    regions = known_regions()
    if regions and deploy.region not in regions:
        near = difflib.get_close_matches(deploy.region, sorted(regions), 3, 0.6) or ["us-east-1"]
        fix = f"use {' or '.join(near)}; if the region is new, upgrade botocore"
        yield Problem(("region",), "{value} is not a region of AWS", fix, tells=True)


def _bucket(deploy: Deploy) -> Iterator[Problem]:
    bucket = deploy.data.bucket
    at: Path = ("data", "bucket")
    if bucket.name is None and (why := BUCKET.problem(default_bucket(deploy.name, "0" * 12))):
        message = f"the bucket's name {default_bucket(deploy.name, 'ACCOUNT')}, made of it, is refused: {why}"
        fix = "give the deploy another name, or the bucket its own: data: {bucket: {name: …}}"
        yield Problem((*at, "name"), message, fix, (("name",),))
    if bucket.kms_key and bucket.encryption != "aws:kms":
        message = f"kms_key needs encryption: aws:kms, and it is {bucket.encryption}"
        yield Problem((*at, "kms_key"), message, "write encryption: aws:kms", ((*at, "encryption"),))
    for index, rule in enumerate(bucket.lifecycle):
        if rule.expire_days is None and rule.noncurrent_days is None and rule.abort_upload_days is None:
            fix = "add expire_days, noncurrent_days or abort_upload_days"
            yield Problem((*at, "lifecycle", index), "this rule does nothing", fix)
        if deploy.runs.keep is not None and rule.expire_days is not None and rule.prefix == f"{RUNS}/":
            message = f"runs.keep also sets how long objects in {RUNS}/ are kept"
            yield Problem(
                (*at, "lifecycle", index), message, "keep either expire_days or runs.keep", (("runs", "keep"),)
            )
    longest = deploy.run.max_duration
    if longest is not None and deploy.runs.keep is not None and deploy.runs.keep <= longest:
        message = "run.max_duration is as long or longer, so a run's record could be deleted while it runs"
        yield Problem(("runs", "keep"), message, "keep runs longer than run.max_duration", (("run", "max_duration"),))


def _files(deploy: Deploy) -> Iterator[Problem]:
    files = deploy.data.files
    folders: dict[str, list[int]] = {}
    for index, file in enumerate(files):
        if file.tree:
            folders.setdefault(str(file.key), []).append(index)
    given: dict[str, int] = {}  # the first entry of each place in S3
    for index, file in enumerate(files):
        place = ("data", "files", index, "file")
        if file.given:
            yield from _given(deploy, index, file)
            if (first := given.setdefault(file.file.rstrip("/"), index)) != index:
                yield Problem(place, "{value} is listed twice", "keep one of them", (("data", "files", first, "file"),))
            continue
        if file.kms_key:
            message = "kms_key is only for data that is in S3 already, and this is uploaded"
            yield Problem((*place[:-1], "kms_key"), message, "leave it out; the bucket's key is data.bucket.kms_key")
        if "://" in file.file:
            yield Problem(place, "{value} isn't a file of this machine", ELSEWHERE)
        elif reason := OBJECT_KEY.problem(file.key or ""):
            message = f"the {'folder' if file.tree else 'file'}'s name can't be its key in the bucket: {reason}"
            entry = _with_key(file)
            fix = f"give it a key: data: [{entry}]" if len(files) == 1 else f"write it with a key: {entry}"
            yield Problem(place, message, fix, (("data", "files", index, "key"),), tells=True)
        elif f"{file.key}/".startswith(f"{RUNS}/"):
            message = f"its key {file.key} is in {RUNS}/, which holds the record of runs and what they wrote"
            yield Problem(place, message, "give it another key:", (("data", "files", index, "key"),))
        parts = str(file.key).split("/")
        above = ("/".join(parts[:end]) for end in range(1, len(parts)))
        for other_index in sorted(other for key in above for other in folders.get(key, ())):
            folder = show_path(("data", "files", other_index))
            message = f"its key {file.key} is in {files[other_index].prefix}, the folder of {folder}"
            fix = "leave it out if that folder contains it, or give one of them another key:"
            yield Problem(place, message, fix, (("data", "files", other_index, "file"),))


def _with_key(file: DataFile) -> str:
    """How to write an entry of data with a key that its name doesn't make."""
    ending = FilePath(file.file).suffix
    suffix = ending if not file.tree and ending.isascii() and ending[1:].isalnum() else ""
    return flow({"file": file.file, "key": f"data/x{suffix}"})


def _given(deploy: Deploy, number: int, file: DataFile) -> Iterator[Problem]:
    """What is wrong with a place in S3, by its text alone."""
    at: Path = ("data", "files", number, "file")
    bucket, path = file.place
    known_form = bucket.endswith(ACCOUNT_REGIONAL) or OLD_BUCKET.fits(bucket)
    if not known_form and (reason := BUCKET.problem(bucket)):
        yield Problem(at, f"{bucket!r} is not a bucket's name: {reason}", "write it as s3://BUCKET/PREFIX/")
    elif WILD.search(path):
        yield Problem(at, "a place in S3 can't be a pattern", "name the folder, with a / at its end")
    elif path and OBJECT_KEY.problem(path.removesuffix("/")):
        fix = "name a folder above it: such a path is in Latin-1, without ${ and without a part that is empty, . or .."
        yield Problem(at, f"{path!r} can't be written in an IAM policy as it is", fix)
    if bucket == deploy.data.bucket.name:
        yield Problem(at, OWN_BUCKET, OTHER_BUCKET, (("data", "bucket", "name"),))
    if file.key is not None:
        yield Problem((*at[:-1], "key"), "what is in S3 already is read where it is", "leave key out")


def _image(deploy: Deploy) -> Iterator[Problem]:
    image = deploy.image
    if image.uri is None and image.context is None:
        yield Problem(("image", "context"), "neither context nor uri is given", "give one of them", (("image", "uri"),))
    if image.uri is not None and "@" not in image.uri and (long := IMAGE.exceeded(len(image.uri))):
        yield Problem(("image", "uri"), f"it is {long}", "use a shorter name or tag, or name the image by its digest")
    if image.uri is not None and image.context is not None:
        message = "uri names an image that exists, so there is nothing to build"
        yield Problem(("image", "uri"), message, "keep either uri or context", (("image", "context"),))
    repository = image.repository
    moving = repository.moving_tags if repository else ()
    moves = any(matches(pattern, "latest") for pattern in moving)
    if repository and moving and not repository.immutable_tags:
        message = "without immutable_tags every tag may move"
        path = ("image", "repository", "moving_tags")
        yield Problem(path, message, "write immutable_tags: true, or leave moving_tags out")
    if repository and repository.immutable_tags and "latest" in image.tags and image.uri is None and not moves:
        message = "the tag latest moves with each build, which immutable_tags refuses"
        fix = "write moving_tags: [latest] beside it, or tags: ['${git.sha}']"
        yield Problem(("image", "repository", "immutable_tags"), message, fix, (("image", "tags"),))
    if image.fail_on and repository and not repository.scan_on_push:
        message = "fail_on needs the scan, which scan_on_push: false turns off"
        yield Problem(("image", "fail_on"), message, "remove one of them", (("image", "repository", "scan_on_push"),))


def _task(deploy: Deploy) -> Iterator[Problem]:
    task = deploy.task
    for name in sorted(task.environment.keys() & task.secrets.keys()):
        message = f"{name} is in environment too, and ECS refuses a variable that is given twice"
        yield Problem(("task", "secrets", name), message, "keep one of them", (("task", "environment", name),))


def _environment(deploy: Deploy) -> Iterator[Problem]:
    """References from the task's variables to the bucket and its files."""
    task, bucket = deploy.task, deploy.data.bucket.name
    if task.environment.get("USE_S3", "true").lower() != "true" or task.role.policy is not None:
        return
    s3_bucket, key = task.environment.get("S3_BUCKET"), task.environment.get("S3_KEY")
    at: Path = ("task", "environment")
    if s3_bucket and bucket and s3_bucket not in (bucket, *(file.place.bucket for file in deploy.data.given)):
        message = "{value} is not the bucket of this deploy, and the task may read no other"
        yield Problem(
            (*at, "S3_BUCKET"), message, f"write {bucket}, or leave it out", (("data", "bucket", "name"),), tells=True
        )
    readable = task.role.read or ()
    if key and readable and not deploy.data.given and not any(matches(pattern, key) for pattern in readable):
        near = difflib.get_close_matches(key, readable, 1, 0) or list(readable)
        message = "the task may not read {value}"
        fix = f"write {near[0]}, or add it to data.files or task.role.read"
        yield Problem((*at, "S3_KEY"), message, fix, (("task", "role", "read"), ("data", "files")), tells=True)


def _capacity(deploy: Deploy) -> Iterator[Problem]:
    strategy = deploy.cluster.default_strategy
    at: Path = ("cluster", "default_strategy")
    providers = [s.provider for s in strategy]
    for index in repeated(providers):
        yield Problem((*at, index), f"{providers[index]} is listed twice", "keep one of them")
    if sum(s.base > 0 for s in strategy) > 1:
        yield Problem(at, "only one provider can have a base", "leave base out of the others")
    if all(s.weight == 0 for s in strategy):
        yield Problem(at, "every weight is 0, so no task could be placed", "give one provider a weight of 1")
    made = deploy.managed_providers
    names = [made.get(name, name) for name in deploy.run.capacity]
    for index in repeated(names):
        yield Problem(("run", "capacity", index), f"{names[index]} is listed twice", "keep one of them")


def _sweep(deploy: Deploy) -> Iterator[Problem]:
    sweep = deploy.run.sweep
    at: Path = ("run", "sweep")
    if sweep is None:
        return
    if not (sweep.grid or sweep.list or sweep.random):
        yield Problem(at, "there is nothing to combine", "add grid, list or random")
    if (many := most(sweep)) > COMBINATIONS:
        count = f"{many:,}" if many < 10**12 else f"more than {10**12:,}"
        message = f"these are {count} combinations, each of which is a task; at most {COMBINATIONS:,} are possible"
        yield Problem((*at, "grid"), message, "write fewer values, or draw some of them with random")
    if sweep.random is None:
        return
    if not (sweep.random.ranges or sweep.random.choices):
        yield Problem((*at, "random"), "there is nothing to draw", "add ranges or choices")
    for name, bounds in sweep.random.ranges.items():
        path: Path = (*at, "random", "ranges", name)
        if bounds.min > bounds.max:
            message = f"min is {bounds.min:g}, which is more than max"
            yield Problem((*path, "max"), message, "swap min and max", ((*path, "min"),))
        elif math.isinf(bounds.max - bounds.min):
            message = "nothing can be drawn from a range that is so wide"
            yield Problem((*path, "max"), message, "write a smaller max, or a larger min", ((*path, "min"),))
        elif bounds.log and bounds.min <= 0:
            message = "log: true needs numbers above 0"
            yield Problem((*path, "min"), message, "write a min above 0", ((*path, "log"),))
        elif bounds.integer and math.ceil(bounds.min) > bounds.max:
            message = "there is no whole number between min and max"
            yield Problem((*path, "max"), message, "write a larger max", ((*path, "min"), (*path, "integer")))


def _names(deploy: Deploy) -> Iterator[Problem]:
    """Two resources of one kind with one name. IAM's names don't differ by case alone."""
    task, ci = deploy.task, deploy.ci
    plans = ci.github.plan_role if ci and ci.github and ci.github.pull_requests else None
    roles: list[tuple[Path, str | None]] = [
        (("task", "execution_role", "name"), task.execution_role.name),
        (("task", "role", "name"), task.role.name),
        (("ci", "github", "role"), ci.github.role if ci and ci.github else None),
        (("ci", "github", "plan_role"), plans),
        (("ci", "gitlab", "role"), ci.gitlab.role if ci and ci.gitlab else None),
    ]
    policies: list[tuple[Path, str | None]] = [
        (("task", "role", "policy_name"), task.role.policy_name),
        (("ci", "policy_name"), ci.policy_name if ci else None),
        (("ci", "github", "plan_role"), plans),
    ]
    keys: list[tuple[Path, str | None]] = [
        (("data", "files", i, "key"), f.key) for i, f in enumerate(deploy.data.files)
    ]
    yield from _twice("role", roles, fold=True)
    yield from _twice("policy", policies, fold=True)
    yield from _twice("key", keys, fold=False)
    for key, other in same_tags(deploy.tags):
        message = f"to IAM this tag is the same as {other}: it ignores upper and lower case"
        yield Problem(("tags", key), message, "keep one of them", (("tags", other),))


def _twice(kind: str, names: list[tuple[Path, str | None]], *, fold: bool) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, name in names:
        if name is None:
            continue
        identity = name.lower() if fold else name
        if identity in first:
            message = f"the {kind} {{value}} is also used by {show_path(first[identity])}"
            case = ": IAM ignores upper and lower case" if fold and name != identity else ""
            yield Problem(
                path, message + case, f"give each its own {kind if kind == 'key' else 'name'}", (first[identity],)
            )
        else:
            first[identity] = path


def check_files(deploy: Deploy, folder: FilePath) -> Iterator[Problem]:
    """The files that `deploy` names and that aren't there, looked for from `folder`."""
    for index, data in enumerate(deploy.data.files):
        place = ("data", "files", index, "file")
        if "://" in data.file:
            continue  # is no file, or said already
        if data.tree:
            yield from _look_into(place, folder, data, deploy.run.results)
        else:
            yield from _look(place, folder, data.file, "file")
    image = deploy.image
    if image.context is None:
        return
    if not IMAGE_URI.problem(image.context) and ":" in image.context and not (folder / image.context).exists():
        exists = f"for an image that exists write image: {{uri: {image.context}}}"
        yield Problem(("image", "context"), "the folder {value} is not there", exists, tells=True)
        return
    problems = list(_look(("image", "context"), folder, image.context, "folder"))
    yield from problems
    if not problems:
        yield from _look(
            ("image", "dockerfile"), folder / image.context, image.dockerfile, "file", ("image", "context")
        )


def _look_into(place: Path, folder: FilePath, data: DataFile, results: str | None) -> Iterator[Problem]:
    """A problem if a folder or pattern names no files, or one that can't be uploaded."""
    problems = list(_look(place, folder, data.folder, "folder"))
    yield from problems
    if problems:
        return
    try:
        files = files_of(data, folder, results)
    except Refused as error:
        yield Problem(place, error.message, error.hint)
    else:
        if not files:
            hidden = "; names that begin with a dot are left out" if data.pattern == "**" else ""
            fix = _classes(data.file) or "put the data there, or name another folder"
            yield Problem(place, f"{{value}} names no file{hidden}", fix)


def _look(path: Path, base: FilePath, path_text: str, kind: str, relative_to: Path = ()) -> Iterator[Problem]:
    """A problem if `path_text`, relative to `base`, is no file (or folder) that can be used."""
    uses = (relative_to,) if relative_to else ()
    relation = f"relative to {show_path(relative_to) or 'the folder of deploy.yaml'}"
    target = base / path_text
    try:
        if target.is_symlink() and not target.exists():
            message = f"{{value}} is a link to {quoted(os.fsdecode(target.readlink()))}, which is not there"
            yield Problem(path, message, "mend the link, or name another path", uses)
        elif not target.exists():
            yield Problem(
                path, "{value} is not there", _near(target, path_text) or f"write the path {relation}", uses, tells=True
            )
        elif kind == "file" and not target.is_file():
            yield Problem(path, "{value} is not a file", "name a file in it", uses)
        elif kind == "folder" and not target.is_dir():
            yield Problem(path, "{value} is not a folder", "name the folder that it is in", uses)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not a path"
        yield Problem(path, f"{{value}} can't be accessed: {reason}", f"write a path {relation}", uses)


def _classes(path_text: str) -> str | None:
    """A hint for who takes a path for a shell's pattern."""
    if re.search(r"\[.+\]|\{.*,.*\}", path_text):
        return "only * and ? stand for other text; write one entry for each name"
    return None


def _near(path: FilePath, path_text: str) -> str | None:
    if path_text.startswith("~"):
        return "~ is not expanded; write ${HOME}"
    if hint := _classes(path_text):
        return hint
    try:
        names = [p.name for p in path.parent.iterdir() if p.exists()]
    except (OSError, ValueError):
        return None
    near = [name for name in names if name.lower() == path.name.lower()]  # as Windows and macOS find it
    near = near or difflib.get_close_matches(path.name, names, 1, 0.7)
    return f"did you mean {path_text.removesuffix(path.name)}{near[0]}?" if near else None
