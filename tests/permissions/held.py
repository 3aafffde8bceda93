"""What the roles and users of a deploy may do: all the policies that they have."""

from __future__ import annotations

import json
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.kinds import PolicySpec, RoleSpec, UserSpec
from reconciler.lower import resources


def held(names: Names) -> dict[str, list[Any]]:
    """The documents of each role and user."""
    specs = resources(names)
    managed = {spec.arn: json.loads(spec.document.text()) for spec in specs if isinstance(spec, PolicySpec)}
    return {
        spec.name: [
            *(json.loads(document.text()) for document in spec.inline_policies.values()),
            *(managed[arn] for arn in spec.managed_policies if arn in managed),
        ]
        for spec in specs
        if isinstance(spec, RoleSpec | UserSpec)
    }
