"""What people write in a deploy.yaml because another tool calls it so, or by habit, and what it is called here."""

from __future__ import annotations

import re

from reconciler.config import fields
from reconciler.config.problems import Path

_VARIABLES = "the task's environment variables go into task: {environment: {NAME: value}}"
_SPOT = "write run: {capacity: FARGATE_SPOT}, or [FARGATE_SPOT, FARGATE] to continue on FARGATE when Spot has no room"
_SIZE = "the size of the task goes into task: {cpu: 1 vCPU, memory: 2GB}"
_COMMAND = "what the container runs goes into task: {command: [python, train.py]}"
_SECRETS = (
    "write task: {secrets: {NAME: ARN}} for a secret that is in AWS already; "
    "parameters: {NAME: {secure: true}} is the same for an SSM parameter /NAME-OF-THE-DEPLOY/NAME"
)
_SCHEDULE = "write schedule: {when: cron(0 3 * * ? *)}"
_RETRY = "write run: {retry: {error: 2}}; interruption and no_capacity are counted separately"
_LIMIT = "write run: {max_duration: 2h}"
_BUCKET = "the bucket goes into data: {bucket: {name: my-bucket}}"
_ROLE = "what the program may do goes into task: {role: {read: [...], write: [...]}}"
_BUILD = "write image: {context: FOLDER, dockerfile: FILE}"
_URI = "an image that exists is image: {uri: NAME:TAG}"
_NETWORK = "write network: {vpc: ..., subnets: [...]}"
_PLATFORM = "write task: {platform: ARM64}; without it, the task runs on X86_64"
_INSTALL = "what has to be installed goes into the Dockerfile, which `image` builds"

# By the word alone, wherever it stands and isn't known.
_WORDS = {
    **dict.fromkeys(
        ("env", "envs", "env_vars", "environment", "environment_variables", "variables", "vars"), _VARIABLES
    ),
    **dict.fromkeys(("spot", "use_spot", "preemptible", "interruptible", "spot_policy"), _SPOT),
    **dict.fromkeys(("resources", "vcpu", "vcpus", "cpus", "mem", "ram", "mem_limit", "instance_type"), _SIZE),
    **dict.fromkeys(("cmd", "args", "script", "commands", "entry_point"), _COMMAND),
    **dict.fromkeys(("secret", "secrets"), _SECRETS),
    **dict.fromkeys(("cron", "cronjob", "schedule_expression", "on"), _SCHEDULE),
    **dict.fromkeys(("retries", "restart", "restart_policy", "max_retries", "attempts"), _RETRY),
    **dict.fromkeys(("timeout", "max_runtime", "max_time", "deadline", "time_limit"), _LIMIT),
    **dict.fromkeys(("s3", "storage", "buckets"), _BUCKET),
    **dict.fromkeys(("permissions", "iam", "iam_role", "role_arn"), _ROLE),
    **dict.fromkeys(("build", "docker", "dockerfile_path"), _BUILD),
    **dict.fromkeys(("docker_image", "container_image", "base_image"), _URI),
    **dict.fromkeys(("vpc_id", "subnet", "subnet_ids", "security_groups"), _NETWORK),
    **dict.fromkeys(("arch", "architecture", "cpu_architecture", "runtime_platform"), _PLATFORM),
    **dict.fromkeys(("version", "apiversion"), "leave it out: the file has no version"),
    **dict.fromkeys(("setup", "requirements", "dependencies", "packages", "pip", "conda"), _INSTALL),
}
# What a mapping has for environment variables, by its place.
_HOLDS_VARIABLES: dict[Path, str] = {
    (): "an environment variable of the task goes into task: {environment: {NAME: VALUE}}",
    ("task",): "an environment variable goes into environment: {NAME: VALUE}",
    ("run", "sweep"): "the values of a variable go into grid: {NAME: [...]}",
    ("run", "sweep", "random"): "write ranges: {NAME: {min: ..., max: ...}}, or choices: {NAME: [...]}",
}
# What looks like a character of YAML, or like nothing: copied text has them, and some keyboards.
_LOOK_ALIKES = {
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", "a space"),
    **dict.fromkeys("\uff1a\ufe55\ua789\u2236", "`:`"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
}
_LOOK_ALIKE = re.compile(f"[{''.join(_LOOK_ALIKES)}]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_-]{0,60}):(?!//)([^\s:,}]{1,100})")


def look_alike(text: str) -> tuple[int, str, str] | None:
    """Where `text` has a character that only looks like one of YAML's, what is wrong with it, and what to do."""
    bare = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), text)
    match = None if bare.lstrip().startswith("#") else _LOOK_ALIKE.search(bare.partition(" #")[0])
    if match is None:
        return None
    code, plain = f"U+{ord(match[0]):04X}", _LOOK_ALIKES[match[0]]
    if not plain:
        return match.start(), f"the character {code} can't be seen", "remove it"
    return match.start(), f"the character {code} only looks like {plain}", f"type {plain} in its place"


def meant(place: Path, key: str) -> str:
    """What to write in place of a key that isn't known at `place`; empty where nothing is known of it."""
    word = key.lower().replace("-", "_")
    if word.startswith("x_"):
        return "there are no keys of one's own: put an &anchor at the first value that is used, and *anchor at the next"
    if word == "on" and place[:-1]:  # of `notify`; at the top level it is GitHub's
        return ""
    return _WORDS.get(word, "")


def variable(parent: Path, key: str) -> str:
    """Where a variable goes whose name stands as a key of the mapping at `parent`; empty if `key` isn't one."""
    return _HOLDS_VARIABLES.get(parent, "").replace("NAME", key) if re.fullmatch(r"[A-Z][A-Z0-9_]*", key) else ""


def without_space(place: Path, text: str) -> str:
    """How `text` is written as a key of the mapping at `place` and its value, if only the space between is missing."""
    match = _PAIR.match(text)
    return spaced(text) if match and match[1] in fields.keys_at(fields.plain(place)) else ""


def spaced(text: str) -> str:
    """How to write the `key:value` that a line begins with; empty if it begins with something else."""
    text = text.lstrip(" ")
    match = _PAIR.match(text)
    if not match:
        return ""
    goes_on = text[match.end() :].strip()[:1] not in ("", ",", "}", "#")
    return f"write {match[1]}: {'VALUE' if goes_on else match[2]}, with a space after the colon"
