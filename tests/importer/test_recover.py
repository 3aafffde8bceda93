"""`recover`: losing the record loses nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from reconciler.core.spec import Address
from reconciler.engine.lock import Lock
from reconciler.engine.ownership_record import read_record, write_record
from tests.engine.project import DEPLOY, Project
from tests.engine.start import Start
from tests.lab_client import LabHandle

GITHUB = "github: {repository: o/n}"
TWO = DEPLOY.replace("data: prices.csv", "data: [prices.csv, more.csv]").replace("user: {}", "user: {}, " + GITHUB)
LEFT = {  # what TWO has and DEPLOY hasn't
    "object.tiny-data-123456789012/data/more.csv", "role.tiny-ci", "oidc-provider.token.actions.githubusercontent.com",
}  # fmt: skip


def make(project: Project) -> None:
    project.write("more.csv", "a\n1\n")
    project.write("deploy.yaml", TWO)
    project.ok("apply")
    write_record(project.lab.aws(), "tiny", [])
    project.write("deploy.yaml", DEPLOY)


@pytest.fixture(scope="module")
def start(kept_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Start:
    return Start(kept_lab, tmp_path_factory.mktemp("start"), make)


@pytest.fixture
def applied(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A deployment whose record is lost, and whose file has lost some of it."""
    return start.again(tmp_path, monkeypatch)


def record(project: Project, deploy: str = "tiny") -> set[str]:
    return {str(address) for address in read_record(project.lab.aws(), deploy)}


def test_what_left_the_file_is_found_again(applied: Project) -> None:
    assert not LEFT & applied.plan("--prune", "--delete-data").keys(), "without the record nothing of it is known"
    done = applied.ok("recover")
    for address in LEFT:
        kind, _, name = address.partition(".")
        assert f"{kind:<16} {name}  (new to the record, not in the file)" in done.out
    todo = applied.todo("--prune", "--delete-data")
    assert {address for address, action in todo.items() if action == "delete"} == LEFT
    assert applied.plan("--prune")["object.tiny-data-123456789012/data/more.csv"]["held"].startswith("it holds data")
    applied.ok("apply", "--prune", "--delete-data")
    assert applied.todo("--prune", "--delete-data") == {}
    assert record(applied) == set(applied.plan())


def test_it_is_the_record_that_was_there(applied: Project) -> None:
    applied.write("deploy.yaml", TWO)
    applied.ok("recover")
    recovered = record(applied)
    assert recovered == set(applied.plan())
    again = applied.ok("recover", "--json").json
    assert again == {"version": 1, "record": sorted(recovered), "new": [], "dropped": {}, "unread": {}}


def test_nothing_but_the_record_is_written(applied: Project) -> None:
    applied.lab.zero()
    applied.ok("recover")
    reads = ("Get", "GET ", "List", "Describe", "Head")
    writes = {(row["service"], row["op"]) for row in applied.lab.log() if not row["op"].startswith(reads)}
    assert writes == {("ssm", "PutParameter"), ("ssm", "DeleteParameter")}, "the lock and the record"


def test_what_is_gone_or_another_deploys_is_dropped(applied: Project) -> None:
    applied.ok("recover")
    iam = applied.lab.client("iam")
    iam.tag_role(RoleName="tiny-ci", Tags=[{"Key": "reconciler:deploy", "Value": "other"}])
    iam.delete_open_id_connect_provider(
        OpenIDConnectProviderArn="arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    )
    dropped = applied.ok("recover", "--json").json["dropped"]
    assert dropped == {
        "role.tiny-ci": "it belongs to deploy 'other'",
        "oidc-provider.token.actions.githubusercontent.com": "it doesn't exist any more",
    }
    assert record(applied).isdisjoint(dropped)


def test_another_deploys_resources_stay_its_own(applied: Project) -> None:
    applied.write("other.yaml", TWO.replace("name: tiny", "name: other"))
    applied.ok("apply", "other.yaml")
    applied.ok("recover")
    provider = "oidc-provider.token.actions.githubusercontent.com"
    assert provider in record(applied)
    assert not any("other" in address for address in record(applied))
    write_record(applied.lab.aws(), "other", [])
    applied.ok("recover", "other.yaml")
    assert provider not in record(applied, "other"), "an account has one, and it was made by the first"
    assert not any("tiny" in address for address in record(applied, "other"))


def test_a_resource_that_lost_its_tag_stays_in_the_record(applied: Project) -> None:
    applied.ok("recover")
    applied.lab.client("iam").untag_role(RoleName="tiny-ci", TagKeys=["reconciler:deploy"])
    applied.ok("recover")
    assert "role.tiny-ci" in record(applied)


def test_what_may_not_be_listed_stays_as_it_was(applied: Project) -> None:
    applied.ok("recover")
    before = record(applied)
    applied.lab.rules({"service": "iam", "op": "ListRoles", "do": "error", "code": "AccessDenied", "message": "no",
                       "status": 403, "times": -1})  # fmt: skip
    ended = applied.run("recover")
    assert ended.code == 1
    assert "role couldn't be listed (iam:ListRoles is denied)" in ended.err
    assert record(applied) == before


def test_not_while_an_apply_is_under_way(applied: Project) -> None:
    other_file = applied.folder / "the other's.yaml"
    other_file.write_text((applied.folder / "deploy.yaml").read_text())
    with Lock(applied.lab.aws(), "tiny", "apply"):
        ended, other = applied.run("recover"), applied.run("recover", other_file.name)
    assert (ended.code, other.code) == (1, 1)
    assert "is locked by" in ended.err
    assert "or now with: python -m reconciler unlock\n" in ended.err
    words = shlex.split(other.err.rpartition("or now with: python -m reconciler ")[2])
    assert words == ["unlock", other_file.name]
    assert record(applied) == set()


def test_images_are_found_in_our_repository(project: Project) -> None:
    project.ok("apply")
    manifest = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
    project.lab.client("ecr").put_image(repositoryName="tiny", imageManifest=manifest, imageTag="inputs-0123")
    write_record(project.lab.aws(), "tiny", [Address("role", "gone")])
    answer = project.ok("recover", "--json").json
    assert "image.tiny" in answer["new"]
    assert answer["dropped"] == {"role.gone": "it doesn't exist any more"}


def test_one_of_its_own_that_may_not_be_read_stays_and_hides_no_other(applied: Project) -> None:
    """As when the deploy's bucket has a policy that denies reading it."""
    applied.ok("recover")
    before = record(applied)
    write_record(applied.lab.aws(), "tiny", [Address("bucket", "tiny-data-123456789012")])
    denied = {"service": "s3", "do": "error", "code": "AccessDenied", "status": 403, "times": -1}
    applied.lab.rules(*({"op": op} | denied for op in ("HeadBucket", "GetBucketVersioning", "ListObjectsV2")))
    ended = applied.run("recover")
    assert ended.code == 1
    assert "bucket.tiny-data-123456789012 couldn't be read (s3:" in ended.err
    applied.lab.rules({"op": "ListObjectsV2"} | denied)
    ended = applied.run("recover")
    assert ended.code == 1
    assert "bucket.tiny-data-123456789012 couldn't be read (s3:ListObjectsV2 is denied)" in ended.err
    applied.lab.rules()
    assert record(applied) >= {address for address in before if not address.startswith("object.")}


def test_one_that_may_not_be_read_hides_no_other(applied: Project) -> None:
    """A role that left the file, beside one of somebody else's whose tags may not be read."""
    iam = applied.lab.client("iam")
    iam.create_role(RoleName="a-stranger", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    applied.lab.rules({"service": "iam", "op": "ListRoleTags", "do": "error", "code": "AccessDenied", "times": 1})
    ended = applied.run("recover")
    assert ended.code == 1
    assert "role couldn't be listed (iam:ListRoleTags is denied)" in ended.err
    assert Address("role", "tiny-ci") in read_record(applied.lab.aws(), "tiny")
