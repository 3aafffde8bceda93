"""Results are copied below the run's own folder, whatever their keys are and whatever lies there already."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from reconciler.aws.calls import Aws
from reconciler.run.results import NOTE, UNFINISHED, Copied, _parts, _repositories, fetch, is_whole
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from tests.local_fixtures import REGION, EmbeddedAws, unique
from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session
from tests.run.samples import run

ID = "20260101-000000-aaaaaaaa"


class Results:
    """A bucket with what a program wrote, and the folder for it beside things of the user's."""

    def __init__(self, aws: Aws, base: Path) -> None:
        self.aws, self.base, self.bucket = aws, base, unique("results")
        aws.call("s3", "CreateBucket", Bucket=self.bucket)
        self.home, self.folder = base / "home", base / "project" / "results"
        (self.home / ".ssh").mkdir(parents=True)
        (self.home / ".ssh" / "authorized_keys").write_text("mine\n")
        self.folder.parent.mkdir()
        self.top = self.folder / ID

    def wrote(self, *keys: str) -> None:
        """The program writes these, each with its name in it."""
        for key in keys:
            self.aws.call("s3", "PutObject", Bucket=self.bucket, Key=f"runs/{ID}/output/{key}", Body=key.encode())

    def copy(self, of_run: Run | None = None) -> Copied:
        """Copy them."""
        return fetch(self.aws, Runs(self.aws, self.bucket), of_run or run(id=ID), self.folder)

    def files(self) -> dict[str, str]:
        """All regular files below the run's folder, and what is in them."""
        paths = [path for path in self.top.rglob("*") if path.is_file() and not path.is_symlink()]
        return {str(path.relative_to(self.top)): path.read_text() for path in paths}

    def check_nothing_else(self) -> None:
        """Nothing but the run's folder was written."""
        assert (self.home / ".ssh" / "authorized_keys").read_text() == "mine\n"
        assert [path.name for path in self.home.rglob("*")] == [".ssh", "authorized_keys"]
        assert {path.name for path in self.folder.parent.iterdir()} <= {"results"}
        assert {path.name for path in self.folder.iterdir()} <= {ID}
        assert not list(self.base.rglob("*.part"))


@pytest.fixture
def results(embedded_aws: EmbeddedAws, tmp_path: Path) -> Results:
    return Results(Aws(REGION, session=embedded_aws.session, endpoint_url=embedded_aws.endpoint_url), tmp_path)


def test_all_of_it(results: Results) -> None:
    results.wrote("metrics.json", "plots/a.png", "plots/deep/b.png", ".hydra/config.yaml", "model with space", "HEAD")
    copied = results.copy()
    assert copied.missed == []
    assert results.files() == {name: name for name in copied.files}
    assert len(copied.files) == copied.count == 6
    assert is_whole(results.top) is True
    results.check_nothing_else()
    assert results.copy().files == copied.files, "and once more over what is there"


def test_no_results_make_no_folder(results: Results) -> None:
    results.aws.call("s3", "PutObject", Bucket=results.bucket, Key=f"runs/{ID}/output/folder/")
    assert results.copy().count == 0
    assert not results.folder.exists()
    assert is_whole(results.top) is None


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("../../../home/.ssh/authorized_keys", "`..` leads out of a folder"),
        ("a/../../x", "`..` leads out of a folder"),
        ("a/..", "`..` leads out of a folder"),
        (".git/config", "the folder of a repository"),
        ("sub/.GIT/config", "the folder of a repository"),
        (".git./config", "the folder of a repository"),
        (".g\u200cit/config", "the folder of a repository"),
        (".\u017fl/config", "the folder of a repository"),
        (".hg/hgrc", "the folder of a repository"),
        (".sl/config", "the folder of a repository"),
        ("x/_darcs/prefs/defaults", "the folder of a repository"),
        (".pijul/config", "the folder of a repository"),
        ("tab\there", "a name with control characters"),
        ("\x1b[2Jclear", "a name with control characters"),
        ("\x9b2Jclear", "a name with control characters"),
        ("\u202etxt.exe", "a name with control characters"),
        ("a\u2028b", "a name with control characters"),
        ("n" * 300, "File name too long"),
        (NOTE, "the name of the list"),
        (NOTE.lower(), "the name of the list"),
        (".", "it names no file"),
    ],
)
def test_a_key_that_is_no_safe_name_is_named_and_all_others_are_copied(results: Results, key: str, why: str) -> None:
    results.wrote("first", key, "zz-last.txt")
    copied = results.copy()
    ((missed, reason),) = copied.missed
    assert missed == key
    assert why in reason
    assert copied.files == ["first", "zz-last.txt"]
    note = results.files().pop(NOTE)
    assert note.startswith("2 of 3 results are copied. These are only in the bucket:\n\n")
    assert all(line.isprintable() for line in note.splitlines())
    assert len(note.splitlines()) == 3
    assert is_whole(results.top) is False
    results.check_nothing_else()


@pytest.mark.parametrize("name", ["line\nbreak", "a/\r/b", "x\x00", "\ud800"])
def test_a_name_that_the_embedded_s3_cannot_have(name: str) -> None:
    with pytest.raises(OSError, match="control characters"):
        _parts(name, set())


def test_names_that_look_bad_and_are_harmless_here(results: Results) -> None:
    spaces = ("a\u3000b.txt", "nb\xa0sp", "9.00\u202fAM.png", "x\u200dy", "\uf03a", "👩\u200d💻")
    results.wrote("/etc/passwd", "a//b", "./c", "back\\slash", "C:\\x", "~", "-rf", "$(x)", ".gitignore", "git/config")
    results.wrote(*spaces)
    copied = results.copy()
    assert copied.missed == []
    assert set(copied.files) == {
        "etc/passwd", "a/b", "c", "back\\slash", "C:\\x", "~", "-rf", "$(x)", ".gitignore", "git/config",
        *spaces,
    }  # fmt: skip
    results.check_nothing_else()


def test_a_key_that_is_a_file_and_a_folder(results: Results) -> None:
    results.wrote("model", "model/part-0", "zz-last.txt")
    for _ in range(2):
        copied = results.copy()
        assert copied.files == ["model", "zz-last.txt"]
        assert copied.missed == [("model/part-0", "'model' is no folder")]
    results.top.joinpath("model").unlink()
    (results.top / "model").mkdir()  # from another time
    assert results.copy().missed == [("model", "there is a folder of this name")]


def test_two_keys_of_one_name(results: Results) -> None:
    results.wrote("a/b", "a//b")
    copied = results.copy()
    assert copied.files == ["a/b"]
    assert [why for _, why in copied.missed] == ["another key has the same name here"]


@pytest.mark.parametrize("fold", [str.lower, lambda name: normalize("NFD", name)], ids=["case", "accents"])
def test_two_keys_of_one_name_to_the_file_system(
    results: Results, monkeypatch: pytest.MonkeyPatch, fold: Callable[[str], str]
) -> None:
    """As on macOS. Here the names that the copy gives are folded on their way to Linux."""
    for function in ("open", "stat", "mkdir"):
        was = getattr(os, function)
        folded = lambda name, *more, was=was, **rest: was(fold(name) if "dir_fd" in rest else name, *more, **rest)  # noqa: E731
        monkeypatch.setattr(os, function, folded)
    was = os.replace
    monkeypatch.setattr(os, "replace", lambda part, name, **rest: was(part, fold(name), **rest))
    results.wrote("Model\u00e9/a", "model\u00e9/a", "modele\u0301/a", "z")
    copied = results.copy()
    assert len(copied.files) == 3
    ((missed, why),) = copied.missed
    assert missed == "model\u00e9/a", "S3 lists the others before it"
    assert why == "another key has the same name here"
    monkeypatch.undo()
    assert {path.read_text() for path in results.top.glob("*/a")} == {*copied.files} - {"z"}


def test_a_key_that_ends_as_a_folder_does_and_has_content(results: Results) -> None:
    results.wrote("model", "plots/a.png")
    for key, body in (("plots/", b""), ("weights/", b"much")):
        results.aws.call("s3", "PutObject", Bucket=results.bucket, Key=f"runs/{ID}/output/{key}", Body=body)
    copied = results.copy()
    assert copied.files == ["model", "plots/a.png"], "an empty one is what consoles make of a folder"
    assert copied.missed == [("weights/", "it names a folder, and has content")]


def test_a_folder_that_would_be_a_bare_repository(results: Results) -> None:
    """git takes any folder with these for a repository, and runs what its config says."""
    results.wrote("r/HEAD", "r/config", "r/objects/x", "r/refs/heads/main", "HEAD", "objects/x")
    copied = results.copy()
    assert [key for key, _ in copied.missed] == ["r/HEAD"]
    assert "HEAD" in copied.files


def test_a_folder_that_another_file_system_takes_for_a_bare_repository(results: Results) -> None:
    results.wrote("r/HEAD", "r/object\u017f/x", "r/re\u200dfs/heads/main")
    assert [key for key, _ in results.copy().missed] == ["r/HEAD"]


def is_repository(folder: Path) -> bool:
    """Whether git takes this very folder for a repository."""
    command = ["git", "rev-parse", "--absolute-git-dir"]
    environ = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    result = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return result.returncode == 0


BARE = {"HEAD": "ref: refs/heads/main\n", "objects/x": "", "refs/heads/x": "", "config": "[core]\n"}
APART = {"HEAD": "ref: refs/heads/main\n", "commondir": "c\n", "c/objects/x": "", "c/refs/x": "", "c/config": ""}


@pytest.mark.share(4)
@pytest.mark.parametrize(
    "copies",
    [
        [BARE],
        [APART],
        [{"HEAD": BARE["HEAD"]}, BARE],
        [{"HEAD": BARE["HEAD"]}, {key: text for key, text in BARE.items() if key != "HEAD"}],
        [{key: text for key, text in BARE.items() if key != "HEAD"}, {"HEAD": BARE["HEAD"]}],
        [{"commondir": "c\n", "c/objects/x": "", "c/refs/x": ""}, {"HEAD": BARE["HEAD"]}],
        [{"HEAD": BARE["HEAD"], "c/objects/x": ""}, {"commondir": "c\n", "c/refs/x": ""}],
        [{"HEAD": BARE["HEAD"], "refs/x": ""}, {"objects/x": ""}],
    ],
)
def test_no_folder_becomes_a_repository_not_by_parts_either(results: Results, copies: list[dict[str, str]]) -> None:
    """The program may write, delete and write again, between one copy and the next."""
    for keys in copies:
        for s3_object in results.aws.find_all("s3", "ListObjectsV2", "Contents", Bucket=results.bucket) or ():
            results.aws.call("s3", "DeleteObject", Bucket=results.bucket, Key=s3_object["Key"])
        for key, text in {**keys, "kept": ""}.items():
            place = {"Bucket": results.bucket, "Key": f"runs/{ID}/output/{key}"}
            results.aws.call("s3", "PutObject", **place, Body=text.encode())
        copied = results.copy()
        assert "kept" in copied.files
        assert not is_repository(results.top)
    assert copied.missed
    assert "commands" in copied.missed[0][1]


def test_a_hundred_thousand_names_are_looked_at_once() -> None:
    names = [f"{number}/{name}" for number in range(25_000) for name in ("HEAD", "objects/x", "refs/x", "y")]
    assert len(_repositories(names)) == 25_000


def test_links_are_not_followed(results: Results) -> None:
    """Left by an earlier copy, by the user, or by anyone."""
    ssh = results.home / ".ssh"
    results.top.mkdir(parents=True)
    (results.top / "sub").symlink_to(ssh)
    (results.top / "file").symlink_to(ssh / "authorized_keys")
    (results.top / "dangling").symlink_to(ssh / "new")
    (results.top / NOTE).symlink_to(ssh / "authorized_keys")
    os.link(ssh / "authorized_keys", results.top / "hard")
    results.wrote("sub/authorized_keys", "file", "dangling", "hard", "zz-last.txt")
    copied = results.copy()
    assert copied.missed == [("sub/authorized_keys", "'sub' is a symbolic link")]
    assert copied.files == ["dangling", "file", "hard", "zz-last.txt"]
    assert results.files()["file"] == "file", "the link was replaced"
    results.check_nothing_else()


def test_the_runs_folder_may_be_no_link(results: Results) -> None:
    results.folder.mkdir()
    results.top.symlink_to(results.home)
    results.wrote("x")
    with pytest.raises(OSError, match="is a symbolic link"):
        results.copy()
    results.top.unlink()
    assert is_whole(results.top) is None
    results.check_nothing_else()


@pytest.mark.parametrize("bad", ["/home/u/.ssh", "a/../../.git", "..", ""])
def test_an_id_that_is_none_is_never_a_path(results: Results, bad: str) -> None:
    results.aws.call("s3", "PutObject", Bucket=results.bucket, Key=f"runs/{bad}/output/authorized_keys", Body=b"theirs")
    with pytest.raises(ValueError):
        results.copy(run(id=bad))
    assert not results.folder.exists()


def test_a_copy_that_is_stopped_says_so(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    results.wrote("a", "b")
    whole = results.aws.transfer

    def stopped(method: str, /, **params: Any) -> None:
        if params["Key"].endswith("/b"):
            raise KeyboardInterrupt
        whole(method, **params)

    monkeypatch.setattr(results.aws, "transfer", stopped)
    with pytest.raises(KeyboardInterrupt):
        results.copy()
    assert results.files() == {"a": "a", NOTE: UNFINISHED}
    assert is_whole(results.top) is False
    monkeypatch.undo()
    assert results.copy().missed == []
    assert results.files() == {"a": "a", "b": "b"}
