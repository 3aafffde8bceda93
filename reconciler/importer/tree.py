"""From what was found to the tree of a deploy.yaml, with comments. What is at its default is left out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from reconciler.core.fargate import FARGATE
from reconciler.core.log_driver import BLOCKING, MODE
from reconciler.core.managed_instances import DISK, MANAGED, MANAGED_SPOT
from reconciler.core.secret import KNOWN, MASK
from reconciler.importer.inventory import Inventory, deploy_name, gitlab_of, subjects_of
from reconciler.importer.writer import Path, Variable
from reconciler.kinds import OidcProviderSpec, PolicySpec, RoleSpec
from reconciler.kinds.s3_bucket import Expiry
from reconciler.lower import EXECUTION_POLICY
from reconciler.lower.checkpoints import LEFT

LOG_OPTIONS = ("awslogs-group", "awslogs-region", "awslogs-stream-prefix", MODE)
GIVEN = re.compile(r"-*([A-Za-z][\w-]{0,60})=")  # what gives a value to an option or a variable
PAGE = 1000  # keys that one listing gives
# One of GitLab, and one of GitHub, with or without ids: repo:OWNER@ID/NAME@ID:ref:refs/heads/BRANCH.
OF_GITLAB = re.compile(r"project_path:(?P<project>[^:*?]+):ref_type:branch:ref:(?P<branch>[^*?]+)")
ONE_BRANCH = re.compile(
    r"repo:(?P<owner>[^@/:]+)(?:@(?P<owner_id>[0-9]+))?/(?P<name>[^@/:]+)(?:@(?P<repository_id>[0-9]+))?"
    r":ref:refs/heads/(?P<branch>[^*?]+)"
)


@dataclass
class Tree:
    """values: what deploy.yaml says. comments: by the path of the key that they stand behind. notes: what to know.
    secrets: the variables of the environment that secrets are left in, each with its secret.
    """

    values: dict[str, Any] = field(default_factory=dict)
    comments: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def keep(self, text: str, secret: str) -> str:
        """The name of the variable that a secret is left in, made of `text`; of another secret it is never that."""
        name = re.sub(r"[^A-Za-z0-9_]", "_", text).strip("_").lstrip("0123456789") or "SECRET"
        names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        return next(name for name in names if self.secrets.setdefault(name, secret) == secret)


def tree_of(inventory: Inventory, prefix: str, data: str | None) -> Tree:
    """The tree of a deploy.yaml. data: the local file with the training data, as deploy.yaml is to name it; None for
    ${DATA_FILE}.
    """
    tree = Tree()
    name, tags = deploy_name(inventory, prefix), _tags(inventory, tree)
    sections: dict[str, Any] = {
        "name": name,
        "region": inventory.region,
        "account": inventory.account,
        "tags": tags,
        "data": _data(inventory, tree, data),
        "image": _image(inventory, tree),
        "task": _task(inventory, tree),
        "logs": _logs(inventory, tree),
        "cluster": _cluster(inventory),
        "network": _network(inventory),
        "ci": _ci(inventory, tree),
        "run": _run(inventory, tree),
    }
    tree.values = {key: checked(value, (key,), tree) for key, value in sections.items() if value}
    tree.comments[("account",)] = "refuse to work with credentials of any other account"
    return tree


def _tags(inventory: Inventory, tree: Tree) -> dict[str, str]:
    """The tags that everything has. Those of some only are named, since adoption would take them away."""
    specs = [spec for spec in inventory.specs if not isinstance(spec, OidcProviderSpec)]
    own_tags = [{k: v for k, v in spec.tags.items() if not k.startswith("reconciler:")} for spec in specs]
    common = dict(set.intersection(*(set(tags.items()) for tags in own_tags))) if own_tags else {}
    for spec, tags in zip(specs, own_tags, strict=True):
        if extra := ", ".join(sorted(tags.keys() - common.keys())):
            tree.notes.append(f"{spec.address} has tags of its own, which `apply --adopt` would take away: {extra}")
    return dict(sorted(common.items()))


def _data(inventory: Inventory, tree: Tree, data: str | None) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if bucket := inventory.bucket:
        section["bucket"] = {
            "name": bucket.name,
            "versioning": bucket.versioning,
            **({"encryption": bucket.encryption} if bucket.encryption != "AES256" else {}),
            **({"kms_key": bucket.kms_key} if bucket.kms_key else {}),
            **({} if bucket.public_access_block else {"block_public_access": False}),
            "lifecycle": [rule.model_dump(exclude_defaults=True) for rule in bucket.lifecycle if _sayable(rule)],
        }
        tree.comments[("data", "bucket", "block_public_access")] = "as found; true is safer"
        if omitted := [rule.identity for rule in bucket.lifecycle if not _sayable(rule) and rule != LEFT]:
            why = "says more than deploy.yaml can, and is left out whole: a part of it would delete more"
            tree.notes += [f"bucket {bucket.name}: its lifecycle rule for {identity} {why}" for identity in omitted]
        if inventory.other_objects:
            count = str(inventory.other_objects) if inventory.other_objects < PAGE - 1 else "very many"
            tree.notes.append(f"bucket {bucket.name} has {count} other objects, which stay as they are")
    if inventory.data_uri:
        section["files"] = [inventory.data_uri]
    elif inventory.key:
        section["files"] = [{"file": data or Variable("${DATA_FILE}"), "key": inventory.key}]
        if data is None:
            name = PurePath(inventory.key).name
            tree.notes.append(
                f"where {name} is isn't known: set DATA_FILE to its path, or write the path to data.files"
            )
    return section


def _sayable(rule: Expiry) -> bool:
    """Whether deploy.yaml can say all of a rule; one that is switched off, or for some objects only, isn't."""
    return not rule.tag and not rule.other


def _run(inventory: Inventory, tree: Tree) -> dict[str, Any]:
    section: dict[str, Any] = {"checkpoint": True} if inventory.bucket and LEFT in inventory.bucket.lifecycle else {}
    managed = [
        name for name, provider in ((MANAGED_SPOT, inventory.managed_spot), (MANAGED, inventory.managed)) if provider
    ]
    if managed and inventory.task:
        capacity = [*managed, *(name for name in inventory.task.compatibilities if name == FARGATE[0])]
        section["capacity"] = capacity
        if len(capacity) > 1:
            tree.notes.append("in which order a run tries its capacity isn't in AWS: put run.capacity in order")
    return section


def _instances(inventory: Inventory) -> dict[str, Any]:
    """What managed instances have to have, and the disk of their tasks."""
    provider = inventory.managed or inventory.managed_spot
    if provider is None:
        return {}
    requirements = inventory.container.extra.get("resourceRequirements", ()) if inventory.container else ()
    gpus = [int(requirement["value"]) for requirement in requirements if requirement.get("type") == "GPU"]
    types = [str(gpu_type) for gpu_type in provider.requirements.get("acceleratorNames", ())]
    return {
        **({"gpu": gpus[0]} if gpus else {}),
        **({"gpu_type": types} if types else {}),
        **({"ephemeral_storage": provider.storage} if provider.storage not in (None, DISK) else {}),
    }


def _image(inventory: Inventory, tree: Tree) -> dict[str, Any]:
    section: dict[str, Any] = {}
    container, repository = inventory.container, inventory.repository
    if container:
        section["uri"] = str(container.image)
        tree.comments[("image", "uri")] = "as found; to build it here, write instead  context: ."
    if repository:
        immutable = repository.tag_mutability.startswith("IMMUTABLE")
        section["repository"] = {
            "name": repository.name,
            "scan_on_push": repository.scan_on_push,
            **({"immutable_tags": True} if immutable else {}),
            **({"moving_tags": list(repository.tag_exclusions)} if immutable and repository.tag_exclusions else {}),
            "keep_images": repository.keep_images,
        }
        if repository.keep_images is None:
            tree.comments[("image", "repository", "keep_images")] = "keeps all"
    return section


def _task(inventory: Inventory, tree: Tree) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if task := inventory.task:
        section |= {"family": task.name}
    if container := inventory.container:
        section["container"] = container.name
    if task:
        section |= {"cpu": task.cpu, "memory": task.memory}
        section |= {"platform": task.cpu_architecture} if task.cpu_architecture != "X86_64" else {}
        section |= {"ephemeral_storage": task.ephemeral_storage} if task.ephemeral_storage else {}
    section |= _instances(inventory)
    if container:
        section |= {"entrypoint": command("entrypoint", container.entrypoint, tree)} if container.entrypoint else {}
        section |= {"command": command("command", container.command, tree)} if container.command else {}
        section["environment"] = {k: variable(k, str(v), tree) for k, v in container.environment.items()}
        section |= {"secrets": dict(container.secrets)} if container.secrets else {}
        section |= {"stop_timeout": container.stop_timeout} if container.stop_timeout else {}
    if role := inventory.execution_role:
        managed = any(arn.endswith(EXECUTION_POLICY) for arn in role.managed_policies)
        section["execution_role"] = _named(role) | ({"managed_policy": True} if managed else {}) | _trust(role)
        tree.comments[("task", "execution_role", "managed_policy")] = "as found; without it, this image and log alone"
        tree.comments[("task", "execution_role", "source_account")] = "as found; true is safer"
    if role := inventory.task_role:
        role_section = _named(role) | _trust(role)
        tree.comments[("task", "role", "source_account")] = "as found; true is safer"
        if policy := inventory.task_policy:
            role_section |= {"policy_name": policy.name, "policy": _document(policy)}
            tree.comments[("task", "role", "policy")] = "as found; `read:` and `write:` of paths allow less"
        else:
            role_section |= {"read": [], "write": []}
        section["role"] = role_section
    return section


def _named(role: RoleSpec) -> dict[str, Any]:
    return {"name": role.name} | ({"description": role.description} if role.description else {})


def _trust(role: RoleSpec) -> dict[str, Any]:
    """What a trust without the account says."""
    return {} if "aws:SourceAccount" in role.trust.text() else {"source_account": False}


def checked(value: Any, at: Path, tree: Tree) -> Any:
    """A part of the file in which no text is or holds a secret: what AWS has in a tag is written by anybody."""
    if isinstance(value, dict):
        return {key: checked(part, (*at, str(key)), tree) for key, part in value.items()}
    if isinstance(value, list):
        return [checked(part, at, tree) for part in value]
    if not isinstance(value, str) or isinstance(value, Variable) or at == ("ci", "user", "keep_keys"):
        return value  # the id of an access key isn't the key
    if at[0] == "tags":
        return variable(at[-1], value, tree, at[:-1])
    return value if KNOWN.text(value) == value else variable(at[-1], value, tree, at[:-1])


def variable(name: str, value: str, tree: Tree, at: Path = ("task", "environment")) -> str:
    """A variable's value; one that looks like a secret is left in the environment, never written to a file."""
    if isinstance(value, Variable) or KNOWN.shown(name, value) == value:
        return value
    if at == ("task", "environment"):
        tree.comments[(*at, name)] = "looks like a secret: better under `secrets:`, by ARN"
    kept_in = tree.keep(name, value)
    tree.notes.append(f"{'.'.join(at)}.{name} looks like a secret, so its value isn't written: set ${kept_in} to it")
    return Variable(f"${{{kept_in}}}")


def command(key: str, words: Sequence[str], tree: Tree) -> list[str]:
    """A command; of a word that looks like a secret, or holds one, the secret is left in the environment."""
    out: list[str] = []
    for word, masked in zip(words, KNOWN.words(words), strict=True):
        last = out[-1] if out else ""
        out.append(word)
        if word != masked and not isinstance(word, Variable):
            option = GIVEN.match(masked) or GIVEN.fullmatch("" if isinstance(last, Variable) else f"{last}=")
            before, after = masked.split(MASK) if masked.count(MASK) == 1 else ("", "")
            name = tree.keep(option[1].upper() if option else "", word[len(before) : len(word) - len(after)])
            out[-1] = Variable(f"{before.replace('${', '$${')}${{{name}}}{after.replace('${', '$${')}")
            tree.notes.append(f"task.{key} has what looks like a secret, which isn't written: set ${name} to it")
    return out


def _document(policy: PolicySpec) -> dict[str, Any]:
    document = policy.document.document()
    return {"Statement": document["Statement"]} if document["Version"] == "2012-10-17" else document


def _logs(inventory: Inventory, tree: Tree) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if group := inventory.log_group:
        section = {"group": group.name, "retention_days": group.retention_in_days}
    if container := inventory.container:
        prefix = container.log_options.get("awslogs-stream-prefix", "ecs")
        section |= {"stream_prefix": prefix} if prefix != "ecs" else {}
        mode = container.log_options.get(MODE, "account")
        section |= {"mode": mode} if container.log_driver and mode != BLOCKING else {}
        other_options = {k: v for k, v in container.log_options.items() if k not in LOG_OPTIONS}
        options = {k: variable(k, v, tree, ("logs", "options")) for k, v in other_options.items()}
        section |= {"options": options} if options else {}
    return section


def _cluster(inventory: Inventory) -> dict[str, Any]:
    cluster = inventory.cluster
    if cluster is None:
        return {}
    strategy: list[dict[str, Any]] = [
        {"provider": w.provider, "weight": w.weight} | ({"base": w.base} if w.base else {})
        for w in cluster.default_strategy
    ]
    default = strategy in ([], [{"provider": "FARGATE", "weight": 1}])
    return {
        "name": cluster.name,
        **({} if default else {"default_strategy": strategy}),
        **({"container_insights": True} if cluster.container_insights == "enabled" else {}),
    }


def _network(inventory: Inventory) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if inventory.vpc != "default":
        section = {"vpc": inventory.vpc, "subnets": list(inventory.subnets)}
    if group := inventory.security_group:
        section["security_group"] = {"name": group.name, "description": group.description}
    return section


def trusted_github(subjects: Sequence[str]) -> dict[str, Any]:
    """The fields of `ci.github` for which these subjects, and no others, are trusted; empty if there are none such."""
    forms = [ONE_BRANCH.fullmatch(subject) for subject in subjects]
    matches = [form.groupdict() for form in forms if form is not None]
    if not matches or len(matches) < len(forms) or len(matches) > 2:
        return {}
    by_id = next((match for match in matches if match["owner_id"] and match["repository_id"]), None)
    places = {(match["owner"], match["name"], match["branch"]) for match in matches}
    if len(places) > 1 or any((match["owner_id"] is None) != (match["repository_id"] is None) for match in matches):
        return {}
    if len(matches) == 2 and (by_id is None or all(match["owner_id"] for match in matches)):
        return {}
    owner, name, branch = places.pop()
    ids = {key: by_id[key] for key in ("owner_id", "repository_id")} if by_id else {}
    both = {"by_name_too": True} if len(matches) == 2 else {}
    return {"repository": f"{owner}/{name}", **ids, **both, "branch": branch}


def _ci(inventory: Inventory, tree: Tree) -> dict[str, Any]:
    section: dict[str, Any] = {}
    if policy := inventory.ci_policy:
        section |= {"policy_name": policy.name, "policy": _document(policy)}
        tree.comments[("ci", "policy")] = "as found; without it, what `apply` needs on each push and no more"
    if user := inventory.user:
        section["user"] = {"name": user.name} | ({"keep_keys": list(user.access_keys)} if user.access_keys else {})
        tree.comments[("ci", "user")] = "`github:` needs no stored key"
    if role := inventory.ci_role:
        if trusted := trusted_github(subjects_of(role)):
            section["github"] = {**trusted, "role": role.name}
            if inventory.plan_role:
                section["github"] |= {"pull_requests": True, "plan_role": inventory.plan_role.name}
                if set(subjects_of(role)) <= set(subjects_of(inventory.plan_role)):
                    section["github"]["drift"] = True
        else:
            tree.notes.append(f"{role.address} trusts something else than one branch of one repository: left out")
    elif role := inventory.plan_role:
        tree.notes.append(f"{role.address} trusts pull requests, and no role trusts one branch alone: left out")
    if role := inventory.gitlab_role:
        host, subjects = gitlab_of(role) or ("", [])
        match = OF_GITLAB.fullmatch(subjects[0]) if len(subjects) == 1 else None
        if match:
            url = {} if host == "gitlab.com" else {"url": f"https://{host}"}
            section["gitlab"] = {**match.groupdict(), **url, "role": role.name}
        else:
            tree.notes.append(f"{role.address} trusts something else than one branch of one project: left out")
    return section if section.keys() & {"user", "github", "gitlab"} else {}
