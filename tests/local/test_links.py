"""Links in a checkout that somebody else made lead nowhere: not the embedded AWS's folder, not COPY, not deletes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import local
from reconciler.local.beneath import Outside, beneath
from tests.command import main
from tests.lab_client import ROOT
from tests.waiting import until

DEPLOY = "name: tiny\nimage: .\ntask: {cpu: 256, memory: 512}\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user's, with what must stay."""
    folder = tmp_path / "victim"
    for name in ("images", "tasks", "functions"):
        (folder / name).mkdir(parents=True)
        (folder / name / "precious").write_text("precious")
    (folder / "server.json").write_text("{}")
    return folder


def left(victim: Path) -> dict[str, str]:
    return {str(path.relative_to(victim)): path.read_text() for path in victim.rglob("*") if path.is_file()}


LINKS = [".reconciler", ".reconciler/local", ".reconciler/local/tasks", ".reconciler/local/images",
         ".reconciler/local/functions", ".reconciler/local/objects", ".reconciler/local/server.json",
         ".reconciler/local/server.log", ".reconciler/local/lock", ".reconciler/local/.gitignore"]  # fmt: skip


@pytest.mark.share(5)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("command", [["plan", "--local", "--skip-image"], ["local", "status"], ["local", "reset"],
                                     ["local", "stop"], ["local", "env"]], ids=" ".join)  # fmt: skip
def test_a_checkout_with_a_link(
    tmp_path: Path,
    victim: Path,
    link: str,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkout = tmp_path / "checkout"
    path = checkout / link
    path.parent.mkdir(parents=True)
    path.symlink_to(victim / path.name if (victim / path.name).exists() else victim)
    (checkout / "deploy.yaml").write_text(DEPLOY)
    (checkout / "Dockerfile").write_text('FROM scratch\nCOPY deploy.yaml .\nCMD ["true"]\n')
    before = left(victim)
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    monkeypatch.chdir(checkout)
    try:
        code = main(command)
        printed = capsys.readouterr()
        assert left(victim) == before
        assert code in (1, 2), printed.out
        assert f"{path} is a symbolic link" in printed.err.replace("\n", " ").replace("  ", " ") or link in printed.err
    finally:
        path.unlink()
        local.stop(checkout / ".reconciler" / "local")


@pytest.mark.parametrize("below", [".reconciler", ".reconciler/local", ".reconciler/local/images"])
def test_a_folder_of_another_user(tmp_path: Path, below: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to another user")
    path = tmp_path / below
    path.mkdir(parents=True)
    os.chown(path, 65534, 65534)
    home = tmp_path / ".reconciler" / "local"
    for call in (local.ensure_running, local.status, local.stop, local.reset):
        with pytest.raises(local.LocalError, match="belongs to another user"):
            call(home)
    os.chown(path, os.getuid(), os.getgid())
    assert local.ensure_running(home) == local.status(home)
    assert local.stop(home)


def test_a_record_that_others_can_write(tmp_path: Path) -> None:
    record = tmp_path / "server.json"
    record.write_text("{}")
    record.chmod(0o666)
    with pytest.raises(local.LocalError, match="Other users can write to"):
        local.status(tmp_path)


def test_others_can_not_exchange_what_was_looked_at(tmp_path: Path) -> None:
    above = tmp_path / ".reconciler"
    home = above / "local"
    home.mkdir(parents=True)
    for folder in (above, home):
        folder.chmod(0o777)
    assert local.status(home) is None
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (above, home)] == [0o755, 0o755]


def test_what_a_checkout_brings_along_is_not_run(tmp_path: Path) -> None:
    """The digest of an image for processes follows from its inputs, so a checkout can hold another in its place."""
    (tmp_path / "deploy.yaml").write_text(DEPLOY)
    (tmp_path / "main.py").write_text("print('what was read')\n")
    (tmp_path / "Dockerfile").write_text('FROM scratch\nWORKDIR /app\nCOPY main.py ./\nCMD ["python", "main.py"]\n')
    home = tmp_path / ".reconciler" / "local"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RECONCILER_LOCAL_ENGINE": "process"}

    def apply() -> str:
        words = [sys.executable, "-m", "reconciler", "apply", "--local"]
        ended = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    try:
        assert "what was read" in apply()
        local.stop(home)
        (planted,) = (home / "images").glob("*/rootfs/app/main.py")
        planted.write_text("print('planted')\n")
        second = apply()
        assert "planted" not in second
        assert "what was read" in second
    finally:
        local.stop(home)


INSIDE = [
    ("a/b", "a/b"), ("./a//b/", "a/b"), ("here/x", "real/x"), ("up/x", "x"), ("absolute/x", "real/x"),
    ("chain/x", "real/x"), ("real/../x", "x"), ("new/deep", "new/deep"), ("", ""), ("dangling", "nowhere"),
]  # fmt: skip
OUTSIDE = ["out/x", "out", "far/x", "loop/x", "..", "real/../../x", "other/x", "sneaky/x", "here/../../x"]


def tree(root: Path) -> Path:
    """An image's folder with links of all kinds; its top is /app."""
    (root / "real").mkdir(parents=True)
    for name, to in {
        "here": "real", "up": "real/..", "absolute": "/app/real", "chain": "absolute", "dangling": "nowhere",
        "out": "..", "far": "/etc", "loop": "loop", "other": "/app2", "sneaky": "real/../../secret",
    }.items():  # fmt: skip
        (root / name).symlink_to(to)
    return root


@pytest.mark.parametrize(("inside", "expected"), INSIDE)
def test_links_are_followed_beneath(tmp_path: Path, inside: str, expected: str) -> None:
    root = tree(tmp_path / "root")
    assert beneath(root, inside, "/app") == root / expected


@pytest.mark.parametrize("inside", OUTSIDE)
def test_links_that_lead_out(tmp_path: Path, inside: str) -> None:
    with pytest.raises(Outside):
        beneath(tree(tmp_path / "root"), inside, "/app")


COPIES = {
    "into a link": "COPY one/ ./\nCOPY evil out/evil\n",
    "of a folder": "COPY one/ ./\nCOPY folder/ out/\n",
    "over a link": "COPY one/ ./\nCOPY evil to\n",
    "of a folder with the name of a link": "COPY one/ ./\nCOPY two/ ./\n",
    "of a file with the name of a link": "COPY one/ ./\nCOPY three/ ./\n",
    "by a chain": "COPY one/ ./\nCOPY evil chain/evil\n",
}


@pytest.mark.share(3)
@pytest.mark.parametrize("name", COPIES)
def test_copy_writes_nothing_outside_of_the_image(tmp_path: Path, name: str) -> None:
    context, victim = tmp_path / "checkout", tmp_path / "victim"
    for folder in ("folder", "one", "two/out", "three"):
        (context / folder).mkdir(parents=True)
    victim.mkdir()
    (victim / "precious").write_text("precious")
    (context / "one" / "chain").symlink_to("out")
    (context / "one" / "out").symlink_to(victim)
    (context / "one" / "to").symlink_to(victim / "precious")
    for file in ("evil", "folder/evil", "two/out/evil", "three/to"):
        (context / file).write_text("evil")
    (context / "deploy.yaml").write_text(DEPLOY)
    (context / "Dockerfile").write_text(f'FROM scratch\nWORKDIR /app\n{COPIES[name]}CMD ["true"]\n')
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RECONCILER_LOCAL_ENGINE": "process"}
    home = context / ".reconciler" / "local"
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "reconciler", "apply", "--local", "--skip-run"], cwd=context, env=environ,
            capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert {path.name: path.read_text() for path in victim.iterdir()} == {"precious": "precious"}
        until(lambda: any((home / "images").iterdir()), "the image")
    finally:
        local.stop(home)
