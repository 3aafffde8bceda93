"""The documentation is true: every link leads somewhere, every command can be given, every console block is executed.

UPDATE_GOLDEN=1 python -m pytest tests/docs     writes what the commands print now; look at it with git diff
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from reconciler.cli.arguments import parser
from reconciler.core.errors import UserError
from reconciler.local import ensure_running, stop
from tests.docs.console import Console, environment, normal, same
from tests.docs.pages import NOT_RUN, PAGES, ROOT, Block, anchors, blocks, exchanges, links, mentions, prose, slug
from tests.golden import WRITE

DOCS = ROOT / "docs"
# Why a console block may be left out. docs/checked.md says the same.
REASONS = {
    "needs an AWS account",
    "needs GitHub",
    "needs a container engine",
    "waits for a person",
    "installs packages",
}
RUN = [page for page in PAGES if any(b.language == "console" and not b.not_run for b in blocks(page.read_text()))]
FILES = re.compile(r"^<!-- files: (.*) -->$", re.MULTILINE)
WRITTEN = ("deploy.yaml", ".dockerignore")  # by the README's `init`


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page.read_text()):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        path, _, anchor = link.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), link
        if page.is_relative_to(DOCS):
            assert found.is_relative_to(DOCS), f"{link}: not part of the site"
        if anchor:
            assert anchor in anchors(found.read_text()), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_can_be_given(page: Path) -> None:
    known = parser("")
    for text in mentions(page.read_text()):
        words = shlex.split(re.sub(r"\[[^\]]*\]", "", text).replace("…", ""))
        if not words or any(word.isupper() and word == words[0] for word in words) or "|" in words[0]:
            continue
        if words[0] in ("--help", "--version"):
            continue
        try:
            known.parse_args(words)
        except UserError as error:
            pytest.fail(f"python -m reconciler {text}: {error}")


def test_the_home_page_has_the_readmes_reasons_and_the_demo() -> None:
    readme, home = (ROOT / "README.md").read_text(), (DOCS / "index.md").read_text()
    why = readme[readme.index("## Why") : readme.index("## Try it")]
    assert why.replace("](docs/", "](").strip() in home
    assert "(demo.svg)" in home


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_column_has_a_heading(page: Path) -> None:
    lines = prose(page.read_text()).splitlines()
    heads = [line for line, below in pairwise(lines) if re.fullmatch(r"\|(?: *:?-+:? *\|)+", below)]
    assert not [line for line in heads if any(not cell.strip() for cell in line.strip("|").split("|"))]


def test_each_cell_of_the_site_names_its_column() -> None:
    hooks = runpy.run_path(str(DOCS / "site" / "hooks.py"))
    table = '<p>|</p><table><tr><th>a <code>b</code></th><th>"c"</th></tr><tr><td>1</td><td x>2</td></tr></table>'
    made = hooks["on_page_content"](table, page=None)
    assert '<td data-label="a b">1</td><td data-label="&quot;c&quot;" x>2</td>' in made
    assert made.startswith("<p>|</p><table><tr><th>")


def test_an_option_breaks_nowhere() -> None:
    hooks = runpy.run_path(str(DOCS / "site" / "hooks.py"))
    page = "<p><code>apply --wait-for-lock 600 -o a-b</code> --local</p><pre><code>apply --local\nplan</code></pre>"
    wanted = (
        '<p><code>apply <span class="option">--wait-for-lock</span> 600 <span class="option">-o</span> a-b</code> '
        "--local</p><pre><code>apply --local\nplan</code></pre>"
    )
    assert hooks["on_page_content"](page, page=None) == wanted


def test_every_page_is_in_the_site() -> None:
    site = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=yaml.BaseLoader)

    def pages(part: object) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        for inner in part if isinstance(part, list) else part.values() if isinstance(part, dict) else ():
            yield from pages(inner)

    assert sorted(pages(site["nav"])) == sorted(str(page.relative_to(DOCS)) for page in PAGES if page.parent != ROOT)


def test_what_is_not_run_has_a_listed_reason() -> None:
    table = (DOCS / "checked.md").read_text()
    used = set()
    for page in PAGES:
        for line in page.read_text().splitlines():
            if match := NOT_RUN.match(line):
                used.add(match[1])
    assert used <= REASONS
    for reason in REASONS:
        assert f"| {reason} |" in table


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of one embedded AWS for all pages."""
    home = tmp_path_factory.mktemp("aws") / "local"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECONCILER_LOCAL_ENGINE", "process")
        try:
            ensure_running(home)
            yield home
        finally:
            stop(home)


def bring(folder: Path, page: Path) -> bool:
    """Put the repository's files into a folder that a page names in a comment. False if it names none."""
    match = FILES.search(page.read_text())
    for file in match[1].split() if match else ():
        source, target = ROOT / file, folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return match is not None


def quick_start() -> list[Block]:
    """The files that the quick start makes; every other page begins with them."""
    return [block for block in blocks((DOCS / "quick-start.md").read_text()) if block.title]


@pytest.mark.share(3)
@pytest.mark.parametrize("page", RUN, ids=name)
def test_every_console_block_prints_what_it_says(
    page: Path, aws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in set(os.environ) - set(environment()):
        monkeypatch.delenv(key)
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(aws))
    console = Console(tmp_path)
    assert console.run("python -m reconciler local reset").code == 0
    brought = bring(tmp_path, page) or page.name == "quick-start.md"
    for block in () if brought else quick_start():
        if page.name != "README.md" or block.title not in WRITTEN:
            put(tmp_path, block)
    lines = page.read_text().splitlines()
    changed: list[tuple[int, int, list[str]]] = []
    for block in blocks(page.read_text()):
        if block.title:
            put(tmp_path, block)
        if block.language != "console" or block.not_run:
            continue
        steps = exchanges(block)
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            ended = console.run(step.command)
            if not same(step.expected, ended.out):
                if not WRITE:
                    shown = "\n".join(map(normal, ended.out))
                    pytest.fail(f"{name(page)}:{step.line}: {step.command}\nprints\n{shown}")
                changed.append((step.line, step.line + len(step.expected), ended.out))
            told = following is not None and following.command == "echo $?"
            assert ended.code == 0 or told, f"{step.command} ended with {ended.code}: {ended.out}"
    for start, end, out in reversed(changed):
        lines[start:end] = out
    if changed:
        page.write_text("\n".join(lines) + "\n")


def put(folder: Path, block: Block) -> None:
    """Write the file that a block shows."""
    (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
    (folder / block.title).write_text(block.text)


def test_a_wrong_page_is_found(tmp_path: Path) -> None:
    page = """\
```yaml title="a.yaml"
x: 1
```
<!-- not run: needs GitHub -->
```console
$ gh
```
```console
$ a \\
  b
c
…
d…
```
"""
    first, second, third = blocks(page)
    assert (first.title, first.text, second.not_run) == ("a.yaml", "x: 1\n", "needs GitHub")
    (step,) = exchanges(third)
    assert (step.command, step.expected, step.line) == ("a \\\n  b", ["c", "…", "d…"], 10)
    assert same(["c", "…", "d…"], ["c", "1", "2", "d3"])
    assert not same(["c", "…", "d…"], ["c", "1", "2"])
    assert same(["took 3.0 s at 127.0.0.1:80"], ["took 12 s at 127.0.0.1:8080"])
    assert not same(["took 3 ms"], ["took 4 ms"])
    assert list(links("[a](b.md) ![c](d.svg) `[x](y)`")) == ["b.md", "d.svg"]
    assert list(mentions("run `python -m reconciler plan --out FILE`, then")) == ["plan --out FILE"]
    assert slug("`plan --json`".replace("`", "")) == "plan---json"
    assert Console(tmp_path).run("exit 3").code == 3


@pytest.mark.parametrize(
    ("expected", "found", "alike"),
    [
        (["a", "    ^^^^", "b"], ["a", "b"], True),  # a version of Python that marks nothing
        (["  | x = f(a)", "  |     ~^^^"], ["  | x = f(a)", "  |     ^^^^"], True),
        (["a", "…", "c"], ["a", "b", "    ~~~~^^^", "c"], True),
        (["a"], ["a", "^ not a mark"], False),
        (["a ^"], ["a"], False),
        (["took 1.5 s"], ["took 12 min 3 s"], True),
    ],
)
def test_what_differs_from_run_to_run_is_no_difference(expected: list[str], found: list[str], alike: bool) -> None:
    assert same(expected, found) is alike
