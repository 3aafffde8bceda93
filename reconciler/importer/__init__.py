"""From a deployment that was set up by hand to a deploy.yaml whose plan shows no differences.

    inventory.py  what there is, by a part of its names and by what refers to what
    tree.py       what deploy.yaml says about it
    writer.py     as YAML, with comments
    copilot.py    the same from the files of AWS Copilot: `copilot_job` says what its keys become

What deploy.yaml can't say isn't guessed: the file that was made is planned against what is there, and whatever still
differs is named in the file and to the one who asked.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.config.file_checksums import sha256_of
from reconciler.core.attached import AttachedSpec, where
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.spec import OWNER_TAG, Address
from reconciler.engine.deployment import Deployment
from reconciler.image.kind import EVERY_KIND
from reconciler.importer.inventory import Finder, Inventory
from reconciler.importer.tree import tree_of
from reconciler.importer.valid import valid
from reconciler.importer.writer import write
from reconciler.kinds import ObjectSpec
from reconciler.lower import DataSpec, Names, lower
from reconciler.lower.account import read_facts
from reconciler.lower.given_data import read_given_data

SHORT = 80  # characters of a value in a line about a difference


@dataclass(frozen=True)
class Imported:
    """text: the deploy.yaml. addresses: of what it describes. differences: what its plan would still show, a line each.

    notes: what to know besides.
    """

    text: str
    addresses: tuple[Address, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def import_deploy(
    aws: Aws,
    prefix: str,
    *,
    take: Collection[Address] = (),
    data: str | None = None,
    base: Path = Path(),
    environ: Mapping[str, str],
    name: str = "deploy.yaml",
) -> Imported:
    """Describe what has the prefix in its names. Reads only.

    take: which to take where there are several; data: the local copy of the training data, relative to `base`;
    environ: values for variables that stand in the file; name: of the file, for what it says about itself.
    Raises UserError, AwsError.
    """
    inventory = Finder(aws, prefix, take).find()
    tree = tree_of(inventory, prefix, data)
    deploy = valid(tree, environ)
    file = data or environ.get("DATA_FILE")
    plan = _plan(deploy, aws, inventory, base / file if file else None)
    if allow := _attached(plan):
        tree.values["allow"] = allow
        tree.comments[("allow",)] = "what leads out of these or in, as found: take out what isn't meant to"
        plan = _plan(valid(tree, environ), aws, inventory, base / file if file else None)
    differences = [line for step in plan.changes for line in _lines(step)]
    planned = {step.address for step in plan.steps}
    differences += [
        f"{address} exists, but isn't in this file" for address in inventory.other_addresses if address not in planned
    ]
    tree.notes += [f"whether there are others of the kind {kind} may not be read" for kind in inventory.unread]
    word = shlex.quote(name)
    header = [
        f"Imported from account {inventory.account}, {inventory.region}: what was set up under names with {prefix!r}.",
        f"`python -m reconciler plan {word}` compares it with what is there; docs/deploy-yaml.md explains each field.",
        "Until `apply --adopt` marks them as this deploy's, resources are used as they are and never changed.",
    ]
    if differences:
        header += ["", "What this file can't say, or what isn't there; the plan shows it:"]
        header += [f"  {line}" for line in differences]
    text = write(tree.values, tree.comments, header)
    return Imported(text, tuple(spec.address for spec in inventory.specs), tuple(differences), tuple(tree.notes))


def _plan(deploy: Deploy, aws: Aws, inventory: Inventory, data: Path | None) -> Plan:
    facts = read_facts(aws, deploy)
    names = Names(deploy, facts)
    objects: tuple[ObjectSpec, ...] = ()
    if inventory.key and data is not None and data.is_file():
        spec = ObjectSpec(
            name=f"{names.bucket}/{inventory.key}",
            file=str(data),
            sha256=sha256_of(str(data)),
            size=data.stat().st_size,
            tags={OWNER_TAG: deploy.name},
        )
        objects = (spec,)
    kinds: dict[str, Any] = {kind.spec.kind: kind for kind in EVERY_KIND}
    stored: tuple[DataSpec, ...] = (*objects, *read_given_data(aws, deploy))
    deployment = Deployment(deploy, aws, names, lower(deploy, facts, stored), kinds, stored, None)
    return deployment.plan(deployment.observe())


def _attached(plan: Plan) -> dict[str, list[str]]:
    """What others have attached to what was found, by the field of `allow` that lets it be.

    Policies of roles and users aren't among it: what somebody may do is said as a difference.
    """
    by_field: dict[str, set[str]] = {}
    for step in plan.changes:
        if step.want is not None and step.seen is not None and isinstance(step.seen.spec, AttachedSpec):
            texts = {*step.seen.spec.attached} - {*getattr(step.want, "attached", ())}
            if places := {place for text in texts if (place := where(text))}:
                by_field.setdefault(step.address.kind.replace("-", "_"), set()).update(places)
    return {field: sorted(places) for field, places in sorted(by_field.items())}


def _lines(step: Step) -> list[str]:
    if step.action is Action.CREATE:
        return [f"{step.address} isn't there"]
    if step.action is Action.DELETE:
        return [f"{step.address} is this deploy's, but isn't in this file"]
    return [f"{step.address}: {change.path} is {_shown(change.before)}" for change in step.changes]


def _shown(value: Any) -> str:
    text = "unset" if value in (None, "", [], {}) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= SHORT else text[: SHORT - 3] + "..."
