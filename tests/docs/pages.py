"""The pages of the documentation, taken apart: headings, links, code blocks, commands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\S*)(.*)$")
NOT_RUN = re.compile(r"^<!-- not run: (.*) -->$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"python -m reconciler((?: [^\s`|;,)…#>&]+)*)")


@dataclass
class Block:
    """A fenced block. start: the index of its first line inside. not_run: why it isn't executed, if it isn't."""

    language: str
    title: str
    start: int
    lines: list[str] = field(default_factory=list)
    not_run: str = ""

    @property
    def text(self) -> str:
        """What is in it."""
        return "".join(f"{line}\n" for line in self.lines)


@dataclass
class Exchange:
    """A command of a console block and what follows it. line: the index in the page of the first line of output."""

    command: str
    expected: list[str]
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    found: list[Block] = []
    inside: Block | None = None
    before = ""
    for number, line in enumerate(text.splitlines()):
        match = FENCE.match(line)
        if inside is None and match:
            title = re.search(r'title="([^"]*)"', match[2])
            reason = NOT_RUN.match(before)
            inside = Block(match[1], title[1] if title else "", number + 1, not_run=reason[1] if reason else "")
        elif inside is not None and line == "```":
            found.append(inside)
            inside = None
        elif inside is not None:
            inside.lines.append(line)
        before = line or before
    assert inside is None, "a block doesn't end"
    return found


def exchanges(block: Block) -> list[Exchange]:
    """The commands of a console block, each with its output."""
    found: list[Exchange] = []
    going_on = False
    for number, line in enumerate(block.lines, block.start):
        if going_on:
            found[-1].command += "\n" + line
        elif line.startswith("$ "):
            found.append(Exchange(line[2:], [], 0))
        else:
            found[-1].expected.append(line)
            continue
        going_on = line.endswith("\\")
        found[-1].line = number + 1
    return found


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    kept, inside = [], False
    for line in text.splitlines():
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def anchors(text: str) -> set[str]:
    """What a link to a heading of the page may name: as GitHub and MkDocs both make it."""
    found: set[str] = set()
    for line in prose(text).splitlines():
        if match := re.match(r"^#+ (.*)$", line):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).replace("`", "")
            found.add(slug(plain))
    return found


def slug(heading: str) -> str:
    """The anchor of a heading."""
    kept = "".join(c for c in unicodedata.normalize("NFKD", heading).lower() if c.isalnum() or c in " -_")
    return kept.strip().replace(" ", "-")


def links(text: str) -> Iterator[str]:
    """The targets of all links and images of a page."""
    for match in LINK.finditer(re.sub(r"`[^`]*`", "", prose(text))):
        yield match[1] or match[2]


def mentions(text: str) -> Iterator[str]:
    """The arguments of every `python -m reconciler …` in a page."""
    for match in MENTION.finditer(text):
        yield match[1].strip()
