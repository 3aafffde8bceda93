"""What mkdocs does besides: a cell of a table has its heading, which a narrow screen shows, and options stay whole."""

from __future__ import annotations

import re
from html import escape
from typing import Any

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_INLINE = re.compile(r"<code>[^<\n]*</code>")
_OPTION = re.compile(r"(?<![^\s>])--?\w[\w-]*")


def on_page_content(html: str, **_: Any) -> str:
    """The page with `data-label` in each cell, and options that break nowhere."""
    return _INLINE.sub(lambda code: whole(code[0]), _TABLE.sub(lambda table: labelled(table[0]), html))


def whole(code: str) -> str:
    """Code in a line of text; a browser would break `--local` after its first hyphen."""
    return _OPTION.sub(r'<span class="option">\g<0></span>', code)


def labelled(table: str) -> str:
    """A table whose cells name their columns."""
    headings = [_TAG.sub("", cell).strip() for cell in re.findall(r"<th[^>]*>(.*?)</th>", table, re.DOTALL)]

    def row(found: re.Match[str]) -> str:
        names = iter(headings)
        return re.sub(r"<td", lambda _: f'<td data-label="{escape(next(names, ""))}"', found[0])

    return _ROW.sub(row, table)
