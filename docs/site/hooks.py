"""What mkdocs does besides: each cell of a table is given its heading, which a narrow screen shows before it."""

from __future__ import annotations

import re
from html import escape
from typing import Any

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def on_page_content(html: str, **_: Any) -> str:
    """The page with `data-label` in each cell."""
    return _TABLE.sub(lambda table: labelled(table[0]), html)


def labelled(table: str) -> str:
    """A table whose cells name their columns."""
    headings = [_TAG.sub("", cell).strip() for cell in re.findall(r"<th[^>]*>(.*?)</th>", table, re.DOTALL)]

    def row(found: re.Match[str]) -> str:
        names = iter(headings)
        return re.sub(r"<td", lambda _: f'<td data-label="{escape(next(names, ""))}"', found[0])

    return _ROW.sub(row, table)
