"""A deploy as YAML, with every default written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from reconciler.config.names import default_bucket
from reconciler.config.resolve import Loader
from reconciler.config.schema import Deploy


class Dumper(yaml.SafeDumper):
    """Quotes whatever our loader, or any other reader of YAML, might not take for text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists under their key, as people write them."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out, so that no anchor appears."""
        return True


Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *Loader.yaml_implicit_resolvers.get(first, ())]
    for first in yaml.SafeDumper.yaml_implicit_resolvers.keys() | Loader.yaml_implicit_resolvers.keys()
}


def show(deploy: Deploy, hide: Callable[[Any], Any] = lambda tree: tree) -> str:
    """YAML of `deploy` with every default filled in, in the order of the schema; `load` makes the same deploy of it.

    hide: makes of the tree what may be shown of it.
    """
    deploy = deploy.filled()
    tree = _literal(hide(deploy.model_dump(mode="json", exclude={"environments"})))  # what is shown is one of them
    text: str = yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=2**31)
    if deploy.data.bucket.name is None:
        comment = f"  # {default_bucket(deploy.name, deploy.account or 'ACCOUNT')}"
        start = "\ndata:\n  bucket:\n    name: null"
        text = text.replace(start, start + comment, 1)
    return text


def _literal(value: Any) -> Any:
    """`value` with each ${ written so that it isn't expanded."""
    if isinstance(value, dict):
        return {k: _literal(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_literal(v) for v in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
