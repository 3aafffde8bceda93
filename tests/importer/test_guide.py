"""`import` of what the guide leaves behind."""

from __future__ import annotations

import pytest

from reconciler.config import load
from tests.engine.project import Project
from tests.importer import guide


def test_its_plan_shows_no_differences(read_only: Project) -> None:
    done = read_only.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    assert "its plan shows no differences" in done.out
    plan = read_only.plan()
    assert {step["action"] for step in plan.values()} == {"none"}
    assert {step["note"] for step in plan.values()} == {"made by someone else, used as it is"}
    assert set(plan) == {
        f"role.{guide.EXECUTION_ROLE}", f"role.{guide.TASK_ROLE}", f"policy.{guide.P}-s3-access-policy",
        f"policy.{guide.P}-github-actions-policy", f"user.{guide.USER}", f"bucket.{guide.BUCKET}",
        f"object.{guide.BUCKET}/{guide.KEY}", f"repository.{guide.REPOSITORY}", f"cluster.{guide.CLUSTER}",
        f"task-definition.{guide.FAMILY}", f"log-group.{guide.LOG_GROUP}", f"security-group.{guide.GROUP}",
    }  # fmt: skip


def test_without_the_data_file_it_is_a_variable(read_only: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done = read_only.ok("import", "--prefix", guide.P)
    text = (read_only.folder / "deploy.yaml").read_text()
    assert "file: ${DATA_FILE}\n" in text
    assert "set DATA_FILE" in done.out
    missing = read_only.run("plan")
    assert missing.code == 2
    assert "DATA_FILE" in missing.err
    monkeypatch.setenv("DATA_FILE", "btc.csv")
    assert read_only.todo() == {}


def test_the_file_reads_like_one_that_a_person_wrote(read_only: Project) -> None:
    read_only.ok("import", "--prefix", guide.P, "--data", "btc.csv", "-o", "found.yaml")
    path = read_only.folder / "found.yaml"
    text = path.read_text()
    deploy = load(path, environ={})
    sections = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert sections == [name for name in type(deploy).model_fields if name in sections]
    assert text.startswith("# Imported from account 123456789012, us-east-1")
    assert 'account: "123456789012" # refuse' in text
    assert "  policy: # as found" in text
    assert deploy.name == guide.P
    assert deploy.logs.options == {"awslogs-create-group": "true"}
    assert "12 resources are as the file says.\n" in read_only.ok("plan", "found.yaml").out


def test_it_reads_and_never_overwrites(read_only: Project) -> None:
    read_only.lab.zero()
    read_only.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    reads = ("Get", "List", "Describe", "Head")
    assert [row["op"] for row in read_only.lab.log() if not row["op"].startswith(reads)] == []
    before = (read_only.folder / "deploy.yaml").read_text()
    again = read_only.run("import", "--prefix", guide.P)
    assert again.code == 2
    assert "never overwritten" in again.err
    assert (read_only.folder / "deploy.yaml").read_text() == before


def test_in_json(read_only: Project) -> None:
    answer = read_only.ok("import", "--prefix", guide.P, "--data", "btc.csv", "--json").json
    assert {"kind": "user", "name": guide.USER} in answer["found"]
    assert answer["differences"] == []
    assert answer["file"] == "deploy.yaml"


def test_on_the_embedded_aws_too(read_only: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # The lab's home is an embedded AWS, and here the one that --local reaches.
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(read_only.lab.home))
    read_only.ok("import", "--prefix", guide.P, "--data", "btc.csv", "--local")
    assert read_only.todo("--local") == {}


BAD = [
    (["--prefix", "nothing-like-it"], "nothing in us-east-1"),
    (["--prefix", "aig130-p"], "nothing in us-east-1"),  # no part of a word
    (["--prefix", "-"], "--prefix is empty"),
    (["--prefix", guide.P, "--region", "mars-1"], "--region mars-1"),
    (["--prefix", guide.P, "--data", "gone.csv"], "--data gone.csv"),
    (["--prefix", guide.P, "--take", "cluster"], "--take cluster: write KIND.NAME"),
    (["--prefix", guide.P, "--take", "cluster.none"], "--take cluster.none: there is no such resource"),
    (["--prefix", guide.P, "--take", "planet.none"], "--take planet.none: there is no such resource"),
    (["--prefix", guide.P, "-o", "no/folder/deploy.yaml"], "there is no folder no/folder"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(options[-2:]) for options, _ in BAD])
def test_bad_input(read_only: Project, options: list[str], message: str) -> None:
    bad = read_only.run("import", *options)
    assert bad.code == 2
    assert message in bad.err
    assert bad.err.count("error:") == 1
    assert not (read_only.folder / "deploy.yaml").exists()
