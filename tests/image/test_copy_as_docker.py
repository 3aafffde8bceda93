"""COPY without Docker. What is expected was seen with Docker, of the same files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from reconciler.core.errors import UserError
from reconciler.image.inputs import read_inputs, snapshot
from reconciler.local.copy_sources import BadPattern, matcher_of
from reconciler.local.layout import Laid, check_sources, lay_out
from tests.work import processor

LINKS = {
    "link": "a1", "dlink": "d", "absl": "/a1", "chain": "link", "dang": "nowhere", "out": "/etc/hostname",
    "up": "../../../../../../etc/hostname", "upin": "../a1", "loop": "loop", "d/in": "x", "d/ln": "/a1",
    "d2/in": "../d", "deep/q": "../d", "tohid": "hidden", "hidlink": "a1",
}  # fmt: skip
FILES = ("a1", "ab", "a^", "a-z", "d/x", "d/y/z", "d2/x", "sub/d/x", "é1", "hidden")
D = {"x": "d/x", "y/z": "d/y/z", "in": "-> x", "ln": "-> /a1"}  # what COPY makes of the folder d


def context(folder: Path) -> Path:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name, to in LINKS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(to)
    (folder / ".dockerignore").write_text("Dockerfile\nhidden\nhidlink\n")
    return folder


def laid(tmp_path: Path, lines: str) -> Laid:
    source = context(tmp_path / "context")
    (source / "Dockerfile").write_text(f"FROM scratch\n{lines}\n")
    inputs = read_inputs(source)
    check_sources(inputs)
    work = tmp_path / "work"
    (work / "context").mkdir(parents=True)
    snapshot(inputs, work / "context")
    return lay_out(inputs, work / "context", work)


def files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


COPIED = [
    ("link /o", {"": "a1"}), ("link /o/", {"link": "a1"}), ("chain /o/", {"chain": "a1"}), ("absl /o/", {"absl": "a1"}),
    ("upin /o/", {"upin": "a1"}), ("lin* /o", {"": "a1"}), ("dlink /o", D), ("dlink/ /o/", D), ("dl* /o/", D),
    ("dlink/x /o/", {"x": "d/x"}), ("dlink/in /o/", {"in": "d/x"}), ("deep/q /o/", D),
    ("dlink/* /o/", {"x": "d/x", "z": "d/y/z", "in": "d/x", "ln": "a1"}), ("deep/*/x /o/", {}), ("a1 link /o/", {
    "a1": "a1", "link": "a1"}), ("d /o", D), ("d/i* /o/", {"in": "d/x"}),
    ("a[^0-9] /o/", {"ab": "ab", "a^": "a^"}), ("a[^1-9^] /o/", {"ab": "ab"}), ("[!a]1 /o/", {"a1": "a1"}),
    ("[^x]1 /o/", {"a1": "a1", "é1": "é1"}), ("?1 /o/", {"a1": "a1", "é1": "é1"}), ("a[z-a] /o/", {}),
    ("nothere* /o/", {}), ("../a1 /o/", {"a1": "a1"}), ("su*/d /o/", {"x": "sub/d/x"}),
    ("--from=b /s/link /o/", {"link": "a1"}), ("--from=b /s/dlink /o", D), ("--from=b /s/dl* /o/", D),
    ("--from=b /s/a[^0-9] /o/", {"ab": "ab", "a^": "a^"}), ("--from=b /s/chain /o/", {"chain": "a1"}),
    ("--from=b ../../s/a1 /o/", {"a1": "a1"}), ("--from=b ../../../../../s/a[1] /o/", {"a1": "a1"}),
    ("--from=b /s/**/x /o/", {"x": "d2/x"}), ("--from=b /*/a1 /o/", {"a1": "a1"}),
    ("--from=b ../../../../../../../../etc/hostn* /o/", {}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), COPIED)
def test_what_a_source_names(tmp_path: Path, words: str, expected: dict[str, str]) -> None:
    stages = "FROM scratch AS b\nCOPY . /s\nFROM scratch\n" if "--from" in words else ""
    root = laid(tmp_path, f"{stages}COPY {words}").root / "o"
    assert (files(root) if root.is_dir() else {"": root.read_text()} if root.exists() else {}) == expected


REFUSED = [
    ("COPY dang /o", "/nowhere", "dang leads there by a link"),
    ("COPY dan* /o/", "/nowhere", "by a link"),
    ("COPY out /o/", "/etc/hostname", "by a link"),
    ("COPY up /o/", "/etc/hostname", "by a link"),
    ("COPY tohid /o/", "/hidden", ".dockerignore names it"),
    ("COPY hidlink /o/", "/hidlink", ".dockerignore names it"),
    ("COPY loop /o/", "too many links", ""),
    ("COPY l* /o/", "too many links", ""),
    ("COPY a[b-] /o/", "syntax error in pattern", ""),
    ("COPY a[] /o/", "syntax error in pattern", ""),
    ("COPY a1 /o\nCOPY ab /o/x", "not a directory: /o", ""),
    ("COPY a1 /o\nCOPY d /o", "not a directory: /o", ""),
    ("COPY a1 /o\nCOPY ab /o/x/y", "not a directory: /o", ""),
    ("COPY a1 /o\nWORKDIR /o", "not a directory: /o", ""),
    ("COPY a1 /o\nWORKDIR /o/x", "not a directory: /o", ""),
    ("COPY a1 /p/x/y\nCOPY d /p", "/p/x is a folder", ""),
    ("COPY d /o\nCOPY d2/in /o/x", "not a directory: /o/x", ""),
]


@pytest.mark.parametrize(("lines", "why", "hint"), REFUSED)
def test_what_docker_refuses_is_refused_by_its_line(tmp_path: Path, lines: str, why: str, hint: str) -> None:
    number = 2 + lines.count("\n")
    with pytest.raises(UserError) as error:
        laid(tmp_path, lines)
    assert f"Dockerfile:{number}: {lines.rpartition(chr(10))[2]}: " in error.value.message
    assert why in error.value.message
    assert hint in error.value.hint


def test_a_mode_is_that_of_each_file_of_a_folder(tmp_path: Path) -> None:
    root = laid(
        tmp_path, "COPY a1 /p/y/own\nCOPY --chmod=750 d /p/\nCOPY --chmod=640 sub /q\nCOPY --chmod=600 link /r"
    ).root
    modes = {name: oct(stat.S_IMODE((root / name).stat().st_mode)) for name in (
        "p", "p/x", "p/y", "p/y/z", "p/y/own", "q/d/x", "r")}  # fmt: skip
    assert modes == {"p": "0o755", "p/x": "0o750", "p/y": "0o750", "p/y/z": "0o750", "p/y/own": "0o644",
                     "q/d/x": "0o640", "r": "0o600"}  # fmt: skip
    assert (root / "q/d").stat().st_mode & 0o700 == 0o700, "or nobody but root could delete it"


PATTERNS = [
    ("*", "a", True), ("*", "", True), ("a*b", "ab", True), ("a*b", "axbxb", True), ("a*b", "axbx", False),
    ("*a*b*", "xaxbx", True), ("*ab*ab", "ab", False), ("?", "é", True), ("[^]", "]", None), ("[\\]]", "]", True),
    ("[a-]", "a", None), ("[-a]", "a", None), ("[\\-a]", "-", True), ("[a-c-e]", "b", None), ("[^^]", "^", False),
    ("\\*", "*", True), ("\\*", "a", False), ("a\\", "a", None), ("[", "[", None), ("]", "]", True),
    ("[]a]", "]", None),
    ("[[]x", "[x", True), ("[z-a]", "m", False), ("[^z-a]", "m", True), ("[&&~~||]", "&", True), ("[a\\]", "a", None),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "name", "expected"), PATTERNS)
def test_patterns_are_those_of_go(pattern: str, name: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(BadPattern):
            matcher_of(pattern)
    else:
        assert matcher_of(pattern).matches(name) is expected


def test_a_pattern_takes_no_time() -> None:
    assert processor(lambda: matcher_of("*a" * 30 + "b").matches("a" * 250)) < 2
