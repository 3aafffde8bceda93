"""The service models without what isn't needed: what is called is the same, and nothing depends on what is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from reconciler.aws.clients import Clients, new_session
from reconciler.aws.service_models import SERVICES, USUAL, Models, cache_folder

REGIONS = ("us-east-1", "eu-central-1", "ca-west-1", "us-gov-west-1", "cn-north-1")


def session(cache: Path | None) -> Any:
    """A session with small models."""
    made = get_session()
    paths = made.get_component("data_loader").search_paths
    made.register_component("data_loader", Models(paths, cache))
    made.set_credentials("x", "x")
    return made


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A cache in which everything is."""
    first = session(tmp_path)
    for service in SERVICES:
        first.create_client(service, region_name="us-east-1")
    assert len(list(tmp_path.rglob("*.json"))) == len(SERVICES) + 1
    return tmp_path


@pytest.mark.share(5)
@pytest.mark.parametrize("region", REGIONS)
def test_a_client_is_the_same_with_small_models(region: str, kept: Path) -> None:
    whole, small = get_session(), session(kept)
    whole.set_credentials("x", "x")
    for service in SERVICES:
        whole_meta = whole.create_client(service, region_name=region).meta
        other = small.create_client(service, region_name=region).meta
        assert other.endpoint_url == whole_meta.endpoint_url
        assert other.service_model.signing_name == whole_meta.service_model.signing_name
        for name in USUAL.get(service, whole_meta.service_model.operation_names):
            for side in ("input_shape", "output_shape"):
                ours, theirs = (getattr(meta.service_model.operation_model(name), side) for meta in (other, whole_meta))
                assert (ours and list(ours.members.items()).__repr__()) == (
                    theirs and list(theirs.members.items()).__repr__()
                )


def test_what_is_kept_is_a_fraction(kept: Path) -> None:
    sizes = {file.stem: file.stat().st_size for file in kept.rglob("*.json")}
    assert sum(sizes.values()) < 1_000_000, sizes
    assert all('"documentation":"<' not in file.read_text() for file in kept.rglob("*.json"))


@pytest.mark.share(3)
@pytest.mark.parametrize("broken", ["", "{", "\0"])
def test_a_broken_file_is_made_anew(broken: str, kept: Path) -> None:
    file = next(kept.rglob("iam-latest-usual.json"))
    file.write_text(broken)
    assert "GetRole" in session(kept).create_client("iam", region_name="us-east-1").meta.service_model.operation_names
    assert "GetRole" in json.loads(file.read_text())["operations"]
    assert len(list(kept.rglob("iam-latest-usual*"))) == 1


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    assert session(tmp_path / "cache").create_client("iam", region_name="us-east-1").meta.endpoint_url
    assert session(None).create_client("iam", region_name="us-east-1").meta.endpoint_url


@pytest.mark.parametrize("whose", ["another's", "writable"])
def test_what_another_may_have_written_is_not_read(whose: str, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where requests go, and XDG_CACHE_HOME may be a folder of several users."""
    file = next(kept.rglob("endpoints.json"))
    endpoints = file.read_text()
    file.write_text(endpoints.replace("amazonaws.com", "example.org"))
    if whose == "writable":
        file.chmod(0o666)
    else:
        owner = file.stat().st_uid
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert session(kept).create_client("iam", region_name="us-east-1").meta.endpoint_url.endswith(".amazonaws.com")
    assert file.read_text() == endpoints


def test_it_is_its_users_alone_and_written_through_no_link(tmp_path: Path) -> None:
    before, cache, other = os.umask(0), tmp_path / "cache", tmp_path / "other"
    try:
        session(cache).create_client("iam", region_name="us-east-1")
        file = next(cache.rglob("iam-latest-usual.json"))
        other.write_text("")
        file.with_suffix(f".{os.getpid()}").symlink_to(other)
        file.unlink()
        session(cache).create_client("iam", region_name="us-east-1")
    finally:
        os.umask(before)
    assert other.read_text() == ""
    assert not [path for path in cache.rglob("*.json") if path.stat().st_mode & 0o077]


def test_it_is_kept_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cache_folder() == Path("/c/reconciler/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert cache_folder() == Path("/h/.cache/reconciler/models")


def test_what_is_called_seldom_makes_the_client_anew_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    clients = Clients("us-east-1", new_session("x", "x"), "http://127.0.0.1:1", lambda name: False, lambda: None)
    usual = clients.get("iam", "GetRole")
    assert clients.get("iam", "ListRoles") is usual
    assert not hasattr(usual, "list_role_tags")
    whole = clients.get("iam", "ListRoleTags")
    assert whole.meta.service_model.operation_model("ListRoleTags").output_shape.members
    assert clients.get("iam", "GetRole") is clients.get("iam") is clients.get("iam", "UntagPolicy") is whole
    assert sorted(file.name for file in tmp_path.rglob("iam*")) == ["iam-latest-usual.json", "iam-latest.json"]
    clients.close()


def test_the_usual_commands_make_no_client_twice() -> None:
    requests = json.loads(Path(__file__).with_name("requests.json").read_text())
    called = {name for commands in requests.values() for counts in commands.values() for name in counts if ":" in name}
    known = {f"{service}:{operation}" for service, operations in USUAL.items() for operation in operations}
    assert {name for name in called if name.partition(":")[0] in USUAL} <= known
