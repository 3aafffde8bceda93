from __future__ import annotations

import pytest

from reconciler.errors import UserError
from reconciler.image.dockerignore import parse_ignore

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
