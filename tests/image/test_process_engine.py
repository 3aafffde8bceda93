"""The image kind with the engine that needs no container engine, against ECR as moto has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.core.errors import PlanDrift, UserError
from reconciler.core.spec import Observed
from reconciler.image.kind import ImageKind, ImageSpec, changed_files
from reconciler.image.source import image_spec
from reconciler.local.process_engine import ProcessEngine, left_undone
from tests.image.conftest import images


def spec(context: Path, *tags: str) -> ImageSpec:
    return image_spec("trainer", context, tags=tags or ("latest",))[0]


def see(kind: ImageKind, aws: Aws, want: ImageSpec) -> Observed[ImageSpec]:
    return kind.observe(aws, [want])["trainer"]


@pytest.fixture
def kind(aws: Aws, tmp_path: Path) -> ImageKind:
    return ImageKind(ProcessEngine(tmp_path / "home", aws), print)


def test_absent_created_equal(aws: Aws, kind: ImageKind, context: Path, tmp_path: Path) -> None:
    want = spec(context)
    assert kind.observe(aws, [want]) == {}
    kind.create(aws, want)
    seen = see(kind, aws, want)
    assert diff(want, seen.spec) == ()
    digest = seen.attributes["digest"]
    assert seen.attributes["uri"] == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/trainer@{digest}"
    folder = tmp_path / "home/images" / digest.removeprefix("sha256:")
    assert json.loads((folder / "config.json").read_text()) == {
        "entrypoint": ["python", "-m", "app"], "cmd": None, "env": {"MODE": "train"}, "workdir": "/srv",
        "python": None, "environments": [], "not_done": [],
    }  # fmt: skip
    assert sorted(str(p.relative_to(folder / "rootfs")) for p in (folder / "rootfs").rglob("*")) == [
        "srv", "srv/app", "srv/app/__main__.py"
    ]  # fmt: skip
    (only,) = images(aws)
    assert sorted(only["imageTags"]) == [want.tag, "latest"]


def test_changed_file_is_named_and_makes_another_image(aws: Aws, kind: ImageKind, context: Path) -> None:
    first = spec(context)
    kind.create(aws, first)
    before = see(kind, aws, first)
    (context / "app/__main__.py").write_text("print('two')\n")
    (context / "app/new.py").write_text("")
    want = spec(context)
    seen = see(kind, aws, want)
    changes = diff(want, seen.spec)
    assert [(c.path, c.before, c.after) for c in changes] == [("inputs", first.inputs, want.inputs)]
    assert changed_files(want, seen.spec) == ("~ app/__main__.py", "+ app/new.py")
    kind.update(aws, want, seen, changes)
    after = see(kind, aws, want)
    assert diff(want, after.spec) == ()
    assert after.attributes["digest"] != before.attributes["digest"]
    assert len(images(aws)) == 2
    assert see(kind, aws, first).attributes == before.attributes  # the old one is still found by its inputs


def test_second_machine_builds_and_pushes_nothing(aws: Aws, kind: ImageKind, context: Path) -> None:
    kind.create(aws, spec(context))
    nothing = ImageKind(None, print)
    assert diff(spec(context), see(nothing, aws, spec(context)).spec) == ()


def test_new_tag_needs_no_engine_and_no_build(aws: Aws, kind: ImageKind, context: Path) -> None:
    kind.create(aws, spec(context))
    want = spec(context, "latest", "v2")
    nothing = ImageKind(None, print)
    changes = diff(want, see(nothing, aws, want).spec)
    assert [change.path for change in changes] == ["tags_wanted"]
    nothing.update(aws, want, see(nothing, aws, want), changes)
    assert diff(want, see(nothing, aws, want).spec) == ()
    assert diff(spec(context), see(nothing, aws, want).spec) == ()  # a tag more than wanted is fine
    assert len(images(aws)) == 1


def test_repeating_is_harmless(aws: Aws, kind: ImageKind, context: Path) -> None:
    kind.create(aws, spec(context))
    kind.create(aws, spec(context))
    assert len(images(aws)) == 1


def test_delete_takes_ours_and_leaves_others(aws: Aws, kind: ImageKind, context: Path) -> None:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}
    other = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []}
    )
    aws.call("ecr", "PutImage", repositoryName="trainer", imageTag="by-hand", imageManifest=other)
    want = spec(context)
    kind.create(aws, want)
    seen = see(kind, aws, want)
    kind.delete(aws, seen)
    kind.delete(aws, seen)
    assert [image["imageTags"] for image in images(aws)] == [["by-hand"]]
    assert kind.observe(aws, [want]) == {}
    aws.call("ecr", "DeleteRepository", repositoryName="trainer", force=True)
    kind.delete(aws, seen)
    assert kind.observe(aws, [want]) == {}


def test_change_since_the_plan_stops(aws: Aws, kind: ImageKind, context: Path) -> None:
    want = spec(context)
    (context / "app/__main__.py").write_text("print('later')\n")
    with pytest.raises(PlanDrift, match=r"since the plan: ~ app/__main__\.py"):
        kind.create(aws, want)
    assert images(aws) == []


def test_without_engine_it_says_how_to_go_on(aws: Aws, context: Path) -> None:
    with pytest.raises(UserError) as error:
        ImageKind(None, print).create(aws, spec(context))
    assert "none was found" in error.value.message
    for way in ("install Docker", "uri:", "--skip-image"):
        assert way in error.value.hint


def test_copy_is_followed(aws: Aws, kind: ImageKind, context: Path, tmp_path: Path) -> None:
    (context / "src").mkdir()
    (context / "src/a.py").write_text("a")
    (context / "src/b.py").write_text("b")
    (context / "Dockerfile").write_text(
        "FROM python AS x\nFROM python\nWORKDIR /code\nCOPY src/ .\nCOPY src/*.py lib/\n"
        "COPY app/__main__.py start.py\nCOPY --from=x /y /y\nCOPY src /elsewhere\nCMD python start.py\n"
    )
    (context / ".dockerignore").unlink()
    said: list[str] = []
    kind = ImageKind(ProcessEngine(tmp_path / "home", aws), said.append)
    kind.create(aws, spec(context))
    digest = see(kind, aws, spec(context)).attributes["digest"].removeprefix("sha256:")
    rootfs = tmp_path / "home/images" / digest / "rootfs"
    assert sorted(str(path.relative_to(rootfs)) for path in rootfs.rglob("*") if path.is_file()) == [
        "code/a.py", "code/b.py", "code/lib/a.py", "code/lib/b.py", "code/start.py", "elsewhere/a.py", "elsewhere/b.py"
    ]  # fmt: skip
    assert [line for line in left_undone(tmp_path / "home/images", digest) if "COPY" in line] == [
        "line 7: COPY --from=x /y /y: only the base image of stage x or a line that isn't done can have it"
    ]


@pytest.mark.parametrize(
    ("entrypoint", "program"),
    [
        (["tini", "--", "python", "x.py"], ["python", "x.py"]),
        (["/usr/bin/tini", "-g", "--", "python"], ["python"]),
        (["dumb-init", "python", "x.py"], ["python", "x.py"]),
        (["env", "--block-signal=TERM", "python", "-m", "model"], ["python", "-m", "model"]),
        (["env", "A=1", "python"], ["env", "A=1", "python"]),
        (["python", "--", "x"], ["python", "--", "x"]),
    ],
)
def test_init_programs_are_left_out(
    aws: Aws, kind: ImageKind, context: Path, tmp_path: Path, entrypoint: list[str], program: list[str]
) -> None:
    (context / "Dockerfile").write_text(f"FROM scratch\nCOPY app ./app\nENTRYPOINT {json.dumps(entrypoint)}\n")
    kind.create(aws, spec(context))
    (config,) = (tmp_path / "home/images").glob("*/config.json")
    assert json.loads(config.read_text())["entrypoint"] == program
