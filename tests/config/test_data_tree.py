"""Which files a folder or a pattern names, under which keys, and what is refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.config import data_tree
from reconciler.config.data_tree import Refused, files_of
from reconciler.config.storage import DataFile
from tests.work import processor

TREE = (
    "a.csv", "b.parquet", "empty", "sub/c.csv", "sub/deep/d.csv", "sub/with space.csv", "sub/plus+&=.csv",
    "sub/Größe/données.csv", "数据/日.csv", ".hidden.csv", "sub/.git/config", "sub/[x]{y}$(z).csv",
)  # fmt: skip
RUN = "20260101-000000-0123abcd"
SHOWN = {name for name in TREE if "/." not in f"/{name}"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in TREE:
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("" if name == "empty" else name)
    (tmp_path / "data" / "nothing in it").mkdir()
    return tmp_path


def names(base: Path, file: str, key: str | None = None) -> list[str]:
    data = DataFile(file=file, key=key).filled()
    files = files_of(data, base, None)
    assert all(file.key.startswith(data.prefix) for file in files)
    return [file.key.removeprefix(data.prefix) for file in files]


@pytest.mark.parametrize(
    ("file", "wanted"),
    {
        "data/": SHOWN,
        "./data/": SHOWN,
        "data/**": SHOWN,
        "data/*": {"a.csv", "b.parquet", "empty"},
        "data/*.csv": {"a.csv"},
        "data/?.csv": {"a.csv"},
        "data/**/*.csv": {name for name in SHOWN if name.endswith(".csv")},
        "data/sub/*.csv": {"c.csv", "with space.csv", "plus+&=.csv", "[x]{y}$(z).csv"},
        "data/sub/[x]*": {"[x]{y}$(z).csv"},  # no classes of characters
        "data/*/deep/*": {"sub/deep/d.csv"},
        "data/**/deep/*": {"sub/deep/d.csv"},
        "data/.*": {".hidden.csv"},
        "data/sub/.git/*": {"config"},
        "data/*.txt": set(),
    }.items(),
)
def test_which_files(base: Path, file: str, wanted: set[str]) -> None:
    assert set(names(base, file)) == wanted


@pytest.mark.parametrize("results", ["results", "./results/", "a/../results"])
@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("./", {"a.csv", "sub/results/b.csv", "results.csv", "results/2024.csv", "results/best/own.csv"}),
        ("**/*.csv", {"a.csv", "sub/results/b.csv", "results.csv", "results/2024.csv", "results/best/own.csv"}),
        ("results/", {f"{RUN}/predictions.csv", "2024.csv", "best/own.csv"}),  # whoever names them wants them
        (f"results/{RUN}/*.csv", {"predictions.csv"}),
    ],
)
def test_copied_results_are_no_data(tmp_path: Path, file: str, wanted: set[str], results: str) -> None:
    """What is in that folder and was copied by no run is: it may be the user's own."""
    others = ("sub/results/b.csv", "results.csv", "results/2024.csv", "results/best/own.csv")
    for name in ("a.csv", f"results/{RUN}/predictions.csv", *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    data = DataFile(file=file).filled()
    assert {file.key.removeprefix(data.prefix) for file in files_of(data, tmp_path, results)} == wanted


@pytest.mark.parametrize("results", [None, ".", "..", "elsewhere", "../base", "/"])
def test_results_that_are_copied_elsewhere_or_beside_the_data_leave_nothing_out(
    base: Path, results: str | None
) -> None:
    data = DataFile(file="data/").filled()
    assert len(files_of(data, base, results)) == len(SHOWN)


def test_a_link_in_place_of_the_results_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "a.csv").touch()
    (tmp_path / "base" / "results").symlink_to(tmp_path)
    assert len(files_of(DataFile(file="**/*.csv").filled(), tmp_path / "base", "results")) == 1


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 9.00.00\u202fAM.png", "データ\u30001.csv", "nb\xa0sp", "x\u200dy", "👩\u200d💻", "می\u200cم",
        "\uf03a", "\u2003", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u0378",
    ],
)  # fmt: skip
def test_spaces_and_letters_of_any_script(tmp_path: Path, name: str) -> None:
    (tmp_path / "imgs").mkdir()
    (tmp_path / "imgs" / name).touch()
    assert names(tmp_path, "imgs/") == [name]


@pytest.mark.parametrize(
    ("pattern", "name", "is_of"),
    [
        ("*", "a", True), ("*", ".a", False), ("?a", ".a", False), (".*", ".a", True), (".?", ".a", True),
        ("**", "a", True), ("**", ".a", False), ("a**b", "ab", True), ("***.csv", ".csv", False), ("a.*", "a.b", True),
        ("[a]*", "a", False), ("?", "\n", True), ("*a?b*", "xaaab", True), ("", "", True), ("a+", "aa", False),
    ],
)  # fmt: skip
def test_one_name_of_a_pattern(pattern: str, name: str, is_of: bool) -> None:
    assert data_tree.is_of(pattern, name) is is_of


def test_a_pattern_takes_no_time() -> None:
    assert processor(lambda: data_tree.is_of("*a" * 30 + "b", "a" * 250)) < 1


def test_in_the_order_in_which_s3_lists_them(base: Path) -> None:
    listed = names(base, "data/")
    assert listed == sorted(listed, key=str.encode)


@pytest.mark.parametrize(
    ("file", "key", "wanted"),
    [
        ("data/", None, "data"), ("./data/", None, "data"), ("./", None, "data"),
        ("*.csv", None, "data"), ("images/", None, "data/images"), ("/mnt/big/images/", None, "data/images"),
        ("images/**/*.png", None, "data/images"), ("../", None, "data"), ("images/", "train", "train"),
        ("prices.csv", None, "data/prices.csv"), ("a/b/prices.csv", None, "data/prices.csv"),
    ],
)  # fmt: skip
def test_its_key(file: str, key: str | None, wanted: str) -> None:
    assert DataFile(file=file, key=key).filled().key == wanted


@pytest.mark.parametrize(
    ("file", "wanted"),
    [("data/", "data"), ("./", ""), ("*.csv", "*.csv"), ("a/b/*.csv", "a/b/*.csv"), ("a/**", "a"), ("a.csv", "a.csv")],
)
def test_what_is_no_part_of_the_image(file: str, wanted: str) -> None:
    assert DataFile(file=file).filled().outside_image == wanted


def link(to: str) -> Callable[[Path], None]:
    return lambda at: at.symlink_to(to)


def too_long(at: Path) -> None:
    folder = Path(at.parent, *["ü" * 100] * 6)
    folder.mkdir(parents=True)
    (folder / "file").touch()


def not_utf8(at: Path) -> None:
    (at.parent / os.fsdecode(b"caf\xe9.csv")).write_text("x")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "out of the folder": (link("../../outside.csv"), "leads out of the folder"),
    "to an absolute path": (link("/etc/passwd"), "leads out of the folder"),
    "to nothing": (link("nothing.csv"), "that doesn't exist"),
    "to itself": (lambda at: at.symlink_to(at.name), "that doesn't exist"),
    "to a folder": (link("deep"), "a link to a folder"),
    "a pipe": (lambda at: os.mkfifo(at), "not a regular file"),
    "not UTF-8": (not_utf8, "isn't UTF-8"),
    "a tab": (lambda at: (at.parent / "a\tb").write_text("x"), "control characters"),
    "another order": (lambda at: (at.parent / "a\u202egnp.exe").write_text("x"), "control characters"),
    "nothing to see": (lambda at: (at.parent / "a\u200bb").write_text("x"), "control characters"),
    "no character": (lambda at: (at.parent / "a\uffffb").write_text("x"), "control characters"),
    "a further line break": (lambda at: (at.parent / "a\u2028b").write_text("x"), "control characters"),
    "a line break": (lambda at: (at.parent / "a\nb").write_text("x"), "control characters"),
    "an escape": (lambda at: (at.parent / "a\x1b[2Jb").write_text("x"), "control characters"),
    "too long": (too_long, "S3 takes 1024"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_by_name(base: Path, case: str) -> None:
    make, message = REFUSED[case]
    make(base / "data" / "sub" / "odd.csv")
    with pytest.raises(Refused) as error:
        names(base, "data/")
    assert message in error.value.message
    assert error.value.message.isprintable()
    assert error.value.hint


def test_folders_may_be_as_deep_as_a_key_is_long(base: Path) -> None:
    deep = base / "data"
    for _ in range(480):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "e.csv").touch()
    assert f"{'d/' * 480}e.csv" in names(base, "data/")
    for _ in range(120):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "e.csv").touch()
    with pytest.raises(Refused, match="S3 takes 1024"):
        names(base, "data/")


def test_more_files_than_can_be_are_not_all_looked_for(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_tree, "MOST", 3)
    with pytest.raises(Refused, match="more than 3 files"):
        names(base, "data/")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(base: Path) -> None:
    (base / "data" / "sub" / "deep").chmod(0)
    with pytest.raises(Refused, match="deep can't be read"):
        names(base, "data/")
    (base / "data" / "sub" / "deep").chmod(0o700)


@pytest.mark.parametrize("pattern", ["data/*.csv", "data/**", "data/a*/*", "data/**/*.csv"])
def test_what_no_name_of_a_pattern_can_be_in_is_not_looked_into(
    base: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    looked, scandir = set[str](), os.scandir

    def noted(folder: Path) -> object:
        looked.add(str(folder.relative_to(base / "data")))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", noted)
    names(base, pattern)
    assert "sub/.git" not in looked
    assert ("sub/deep" in looked) is ("**" in pattern)


@pytest.mark.parametrize(
    ("pattern", "refused"),
    {
        "data/**/*.csv": True, "data/*/c.csv": True, "data/li*/*": True, "data/*/**": True, "data/**": True,
        "data/*.csv": False, "data/s*/*": False, "data/sub/**": False,
    }.items(),
)  # fmt: skip
def test_a_link_to_a_folder_is_refused_where_the_pattern_leads_into_it(base: Path, pattern: str, refused: bool) -> None:
    (base / "data" / "linked").symlink_to("sub")
    if refused:
        with pytest.raises(Refused, match="data/linked is a link to a folder"):
            names(base, pattern)
    else:
        names(base, pattern)


def test_a_link_to_a_file_of_the_folder_is_that_file(base: Path) -> None:
    (base / "data" / "z.csv").symlink_to("sub/c.csv")
    assert set(names(base, "data/")) == {*SHOWN, "z.csv"}


def test_the_folder_may_be_a_link(base: Path) -> None:
    (base / "linked").symlink_to("data")
    assert set(names(base, "linked/")) == SHOWN
