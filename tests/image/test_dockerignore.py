from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.errors import UserError
from reconciler.image.dockerignore import parse_ignore, read_ignore
from tests.work import assert_linear, processor

# (.dockerignore, path, left out?): from Docker's documentation and from building with Docker.
CASES = [
    ("*.md", "README.md", True),
    ("*.md", "docs/README.md", False),
    ("**/*.md", "README.md", True),
    ("**/*.md", "docs/a/README.md", True),
    ("*/temp*", "some/temporary.txt", True),
    ("*/temp*", "some/deep/temporary.txt", False),
    ("*/*/temp*", "some/deep/temporary.txt", True),
    ("temp?", "tempa", True),
    ("temp?", "temp", False),
    ("temp?", "temp/x", False),
    ("docs", "docs/a/b.txt", True),
    ("docs/", "docs/a.txt", True),
    ("/docs", "docs/a.txt", True),
    ("./docs", "docs/a.txt", True),
    ("docs", "src/docs/a.txt", False),
    ("**/docs", "src/docs/a.txt", True),
    ("docs/**", "docs/a/b.txt", True),
    ("docs/**/x", "docs/x", True),
    ("docs/**/x", "docs/a/b/x", True),
    ("*.md\n!README.md", "README.md", False),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
    ("*\n!app", "app/main.py", False),
    ("*\n!app", "app2/main.py", True),
    ("*\n!app\n**/__pycache__", "app/__pycache__/main.pyc", True),
    ("*\n!**/*.py", "deep/in/it.py", False),
    ("app\n!app/keep", "app/keep/a", False),
    ("app\n!app/keep\napp/keep/b", "app/keep/b", True),
    ("# a comment\n\n  a  \n", "a", True),
    ("#a", "#a", False),
    ("\\#a", "#a", True),
    ("[ab].txt", "a.txt", True),
    ("[ab].txt", "c.txt", False),
    ("[^ab].txt", "c.txt", True),
    ("[a-c].txt", "b.txt", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "axb", False),
    ("a.b", "axb", False),
    ("a+b(c)$", "a+b(c)$", True),
    ("**", "anything/at/all", True),
    (".", "a", False),
    ("a/../b", "b", True),
    ("\ufeffa", "\ufeffa", True),
    ("a**b", "ab", True),
    ("a**b", "ax/y/b", True),
    ("a**b", "axb", False),
    ("a**/b", "ax/b", True),
    ("**/**/b", "b", True),
    ("**.pem", "secret.pem", True),
    ("**.pem", "sub/deep/secret.pem", True),
    ("**.pem", ".pem", True),
    ("**.pem", "keys.pem/x", True),
    ("**.pem", "secret.pem.txt", False),
    ("**b.pem", "sub/ab.pem", True),
    ("/**/.pem", "secret.pem", False),
    ("**.p?m", "secret.pem", False),
    ("**.p?m", "sub/.pem", True),
    ("*\n!**.py", "deep/in/it.py", False),
    ("**/a*b*/c", "x/a/ab1/c/d", True),
    ("**/a*b*/c", "x/a/b/c", False),
    ("**/a/**/b", "x/a/y/a/z/b/file", True),
    ("**/a/**/b", "b/a", False),
    ("a/**/b/**/c", "a/c/b/c", True),
    ("a/**/b/**/c", "a/c/b", False),
    ("*a*b", "bab", True),
    ("*a*b", "baba", False),
    ("x[!]a]", "x!", False),
    ("[a-]", "-", True),
    ("a\r\nb\r", "b", True),
    ("a\u2028b", "b", False),
]


@pytest.mark.parametrize(("text", "path", "ignored"), CASES)
def test_pattern(text: str, path: str, ignored: bool) -> None:
    assert parse_ignore(text).ignores(path) is ignored


@pytest.mark.parametrize("text", ["a\n!", "a\n[ab", "a\n[", "a\nb\\"])
def test_bad_pattern_names_its_line(text: str) -> None:
    with pytest.raises(UserError, match=r"\.dockerignore:2"):
        parse_ignore(text)


def test_folder_is_pruned_only_if_nothing_in_it_can_come_back() -> None:
    assert parse_ignore("big").prunes("big")
    assert not parse_ignore("big\n!big/small").prunes("big")


# (a pattern, what a path repeats): each has many ways to match and none that does.
MANY_WAYS = [
    ("**/a/" * 6 + "b", "a/"),
    ("**/a/" * 200 + "b", "a/"),
    ("*a" * 30 + "b", "a"),
    ("a**" * 30 + "b", "a"),
    ("**" * 50 + "b", "a/"),
    ("*/**/" * 20 + "b", "a/"),
    ("[ab]*" * 20 + "c", "ab"),
]


@pytest.mark.parametrize(("pattern", "part"), MANY_WAYS)
def test_work_grows_as_the_path_does(pattern: str, part: str) -> None:
    ignore = parse_ignore(pattern)

    def work(size: int) -> Callable[[], object]:
        path = part * size + "c/x"
        return lambda: ignore.ignores(path)

    assert_linear(work, 40)


def test_many_files_take_a_moment() -> None:
    ignore = parse_ignore("\n".join(["**/__pycache__", "**/*.pyc", ".git", "docs/**/*.md", "*.csv", "**/a/**/b"]))
    paths = [f"package{i % 100}/part{i % 7}/module_{i}.py" for i in range(20_000)]
    assert processor(lambda: [ignore.ignores(path) for path in paths]) < 10


def test_pattern_longer_than_any_path_is_refused() -> None:
    with pytest.raises(UserError, match=r"\.dockerignore:2: .*4096"):
        parse_ignore("a\n" + "[a]" * 100_000)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"\xef\xbb\xbfcaf\xe9\n# na\xefve\n")
    ignore = read_ignore(tmp_path, tmp_path / "Dockerfile")
    assert ignore is not None
    assert ignore.ignores(os.fsdecode(b"caf\xe9"))
