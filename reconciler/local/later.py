"""What would take memory in the server and is hardly ever needed.

moto's tables of EC2's instance types, 110 MB, are read when somebody asks for them. The descriptions of AWS's services
lose their documentation, which is most of them.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def install() -> None:
    """Have the tables read later. To be called before anything of moto's EC2 is imported."""
    from botocore.loaders import JSONFileLoader
    from moto.utilities import utils

    cache: dict[str, Any] = {}  # moto makes three sessions, each of which reads where all of AWS's services are

    def once(_: JSONFileLoader, path: str, opened: Callable[[str, str], IO[bytes]]) -> Any:
        if path not in cache:
            cache[path] = _read(path, opened)
        return cache[path]

    JSONFileLoader._load_file = once
    load = utils.load_resource
    utils.load_resource = lambda resource: {} if "/instance_type" in resource else load(resource)
    try:
        from moto.ec2.models import instance_types as tables
    finally:
        utils.load_resource = load
        JSONFileLoader._load_file = lambda loader, path, opened: _read(path, opened)
    cache.clear()
    gc.collect()  # frees those sessions and what they read
    types = _Types()
    tables.INSTANCE_TYPES = types
    tables.InstanceTypeBackend.instance_types = property(  # type: ignore[assignment]
        lambda backend: [tables.InstanceType(name) for name in types.all()]
    )
    for kind in tables.INSTANCE_TYPE_OFFERINGS:
        tables.INSTANCE_TYPE_OFFERINGS[kind] = _Offerings(tables.root / tables.offerings_path, kind)


def _read(path: str, opened: Callable[[str, str], IO[bytes]]) -> Any:
    """A file of botocore's, or None; the description of a service without its documentation."""
    if not Path(path).is_file():
        return None
    with opened(path, "rb") as file:
        model = json.loads(file.read())  # into dictionaries of the usual kind, which keep their order too
    if isinstance(model, dict) and isinstance(model.get("shapes"), dict):
        for described in (model, *model["shapes"].values(), *model.get("operations", {}).values()):
            described.pop("documentation", None)
            members = described.get("members", {})
            for member in (*(members.values() if isinstance(members, dict) else ()), described.get("member", {})):
                member.pop("documentation", None)
    return model


class _Types(dict[str, Any]):
    """What each instance type has, by its name."""

    def all(self) -> dict[str, Any]:
        """Every instance type, read when first asked for."""
        from moto.utilities.utils import load_resource

        if not self:
            self.update(load_resource("ec2/resources/instance_types.json"))
        return self

    def __missing__(self, name: str) -> Any:
        if self:
            raise KeyError(name)
        return self.all()[name]


class _Offerings(dict[str, Any]):
    """The instance types that each region offers."""

    def __init__(self, folder: Path, kind: str) -> None:
        super().__init__()
        self._files = {path.name.partition(".")[0]: path for path in (folder / kind).iterdir()}
        self._kind = kind

    def __missing__(self, region: str) -> Any:
        from moto.utilities.utils import load_resource

        path = self._files[region]
        offered = load_resource(f"ec2/resources/instance_type_offerings/{self._kind}/{path.name}")
        self[region] = [{**offering, "LocationType": self._kind} for offering in offered]
        return self[region]

    def get(self, region: str, default: Any = None) -> Any:
        """As a dictionary does it."""
        return self[region] if region in self._files else default
