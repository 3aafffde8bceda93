"""For every kind: a sample of it, another value for each of its fields, and what others may do to it.

A new kind isn't done until it has one here; `test_contract.py` holds every kind against the contract with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.kinds import KINDS, AnyKind
from tests.kinds.sample import TAGS, Sample
from tests.kinds.samples_ecs import capacity_provider, cluster, security_group, service, task_definition
from tests.kinds.samples_events import events_rule, function, queue, schedule, topic
from tests.kinds.samples_iam import iam_policy, instance_profile, oidc_provider, role, user
from tests.kinds.samples_storage import bucket, image, log_group, parameter, repository, s3_folder, s3_object
from tests.lab_client import LabHandle

SAMPLES: dict[str, Callable[[LabHandle, Path], dict[str, Any]]] = {
    "oidc-provider": oidc_provider,
    "policy": iam_policy,
    "role": role,
    "user": user,
    "instance-profile": instance_profile,
    "bucket": bucket,
    "object": s3_object,
    "folder": s3_folder,
    "repository": repository,
    "image": image,
    "log-group": log_group,
    "security-group": security_group,
    "parameter": parameter,
    "cluster": cluster,
    "capacity-provider": capacity_provider,
    "task-definition": task_definition,
    "service": service,
    "queue": queue,
    "schedule": schedule,
    "topic": topic,
    "function": function,
    "rule": events_rule,
}


def sample(name: str, lab: LabHandle, folder: Path) -> Sample:
    """The sample of a kind; what it needs besides is made."""
    kinds: dict[str, AnyKind] = {kind.spec.kind: kind for kind in KINDS}
    made = SAMPLES[name](lab, folder)
    kind = made.pop("kind", None) or kinds[name]
    spec = kind.spec(**{"name": "sample", "tags": TAGS} | made["base"])
    return Sample(kind, spec, made["changes"], made.get("outside", {}), frozenset(made.get("alone", ())))
