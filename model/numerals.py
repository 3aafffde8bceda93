"""Numbers out of texts, for columns that aren't plain numbers: decimal commas, thousands, units, K and M.

What a mark means is decided for the file as a whole, from every value of every column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from model.errors import InputError
from model.harmless import short

SPACES = r"[ '\u2019\u00a0\u2009\u202f]"
_FORMS = {
    mark: re.compile(
        rf"[-+]?(?:\d+|\d{{1,3}}(?:{thousands}\d{{3}})+|\d{{1,3}}(?:{SPACES}\d{{3}})+)?(?:{mark_re}\d*)?(?:[eE][-+]?\d+)?"
    )
    for mark, mark_re, thousands in ((".", r"\.", ","), (",", ",", r"\."))
}
"""The decimal mark to the form of its numbers."""
_UNIT = re.compile(r"^([$€£¥₿]?)\s*(.*?)\s*([A-Za-z$€£¥₿%]*)$", re.DOTALL)
MULTIPLES = {"K": 1e3, "M": 1e6, "B": 1e9}
AMOUNTS = ("volume", "trades", "taker_base")
"""Columns in which K, M and B stand for thousands, millions and billions."""
LONGEST = 1000
"""Characters; a longer text is no number."""
NONE = ("", "-", "\u2013", "\u2014")
"""Texts that stand for no value."""


class Style:
    """How the numbers of a file are written; `see` each piece of each column, then `numbers`."""

    def __init__(self) -> None:
        self._misfits = dict.fromkeys(_FORMS, 0)
        self._marked: tuple[object, str, str] | None = None
        self._units: dict[str, set[str]] = {}
        self._large: dict[str, tuple[object, str]] = {}
        self._points: dict[str, set[str]] = {}
        """What `_point` says of each column's numbers."""

    def see(self, values: pd.Series, name: str, title: str) -> None:
        """Take note of a piece of the column `name`."""
        for line, text in _texts(values).items():
            unit, core, multiple = _split(str(text), name)
            if not re.search(r"\d", core) or not any(form.fullmatch(core) for form in _FORMS.values()):
                continue  # no number in any style: `numbers` says so
            self._units.setdefault(name, set()).add(unit if not multiple else unit + "*")
            for mark, form in _FORMS.items():
                self._misfits[mark] += not form.fullmatch(core)
            self._points.setdefault(name, set()).add(_point(core))
            if self._marked is None and re.search(r"[.,]", core):
                self._marked = (line, short(text), title)
            if not multiple and len(re.sub(r"\D.*$", "", core.replace(",", "").replace(".", ""))) > 3:
                self._large.setdefault(name, (line, short(text)))

    def refuse_thousands(self) -> None:
        """Refuse numbers that are plain, and yet seem to be whole ones whose thousands are marked with points.

        All with a point have three digits after it, all without are below 1,000, and a column has both: decimals that
        are written out have a point in each number, and others have fewer than three digits in some.

        Raises:
            InputError: they seem so.
        """
        kinds = self._points.values()
        if (
            self._marked
            and not any("other" in kind for kind in kinds)
            and any({"thousands", "hundreds"} <= kind for kind in kinds)
        ):
            line, text, title = self._marked
            raise InputError(
                f"line {line}, column {title}: {text!r} may be a decimal number or have thousands marked, and so may "
                "all others with a point, beside whole numbers below 1,000: write numbers as 1234.5"
            )

    @property
    def mark(self) -> str:
        """The decimal mark.

        Raises:
            InputError: every value can be read with either.
        """
        dot, comma = self._misfits["."], self._misfits[","]
        if not dot and not comma and self._marked:
            line, text, title = self._marked
            raise InputError(
                f"line {line}, column {title}: {text!r} may be a decimal number or have thousands marked, and so may "
                "all others: write numbers as 1234.5"
            )
        return "," if comma < dot else "."

    def numbers(self, values: pd.Series, name: str, title: str) -> pd.Series:
        """A piece of a column as float64.

        Raises:
            InputError: a value isn't a number, or units differ; names the line.
        """
        mark = self.mark
        texts = _texts(values)
        numbers = pd.Series(np.nan, index=values.index, dtype=np.float64)
        parsed = [_number(str(text), name, mark) for text in texts]
        numbers.loc[texts.index] = parsed
        bad = np.isnan(np.asarray(parsed, dtype=np.float64))
        if bad.any():
            raise not_a_number(texts[bad], name, title)
        units = {unit.removesuffix("*") for unit in self._units.get(name, set())}
        if len(units) > 1:
            raise InputError(
                f"column {title}: values have different units or some none "
                f"({', '.join(repr(u) if u else 'none' for u in sorted(units))}): write plain numbers"
            )
        scaled = any(unit.endswith("*") for unit in self._units.get(name, set()))
        if scaled and name in self._large:
            line, text = self._large[name]
            raise InputError(
                f"line {line}, column {title}: {text!r} has no K, M or B as other values have: write numbers"
            )
        return numbers


def _point(core: str) -> str:
    """What a number may be in a file in which points mark thousands; a zero may be anything."""
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}\.\d{3}", core):
        return "thousands"
    return "hundreds" if re.fullmatch(r"[-+]?[1-9]\d{0,2}", core) else "zero" if core == "0" else "other"


def may_mark_thousands(columns: Sequence[pd.Series]) -> bool:
    """Whether numbers, read as decimals, are such that their texts must be seen to know it: see `refuse_thousands`."""
    both = last_digit = False
    for column in columns:
        values = np.abs(column.to_numpy()[np.isfinite(column.to_numpy())])
        thousandths = np.rint(values * 1000)
        parts = values != np.floor(values)
        small = (values < 1000) & ((values >= 1) | (values == 0)) & (np.abs(values * 1000 - thousandths) < 1e-6)
        if not small.all():
            return False
        both |= bool(parts.any() and (~parts & (values > 0)).any())
        last_digit |= bool((thousandths[parts] % 10 != 0).any())
    return both and last_digit


def _texts(values: pd.Series) -> pd.Series:
    """The texts that stand for a value."""
    texts = values.dropna().astype(str).str.strip()
    return texts[~texts.isin(NONE)]


def _split(text: str, name: str) -> tuple[str, str, float]:
    """Unit, number and multiple (0: none) of a text."""
    match = _UNIT.match(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        return "", "", 0
    before, core, after = match.groups()
    if re.fullmatch(r"(?i)inf|infinity|nan", core + after):
        return "", "", 0
    if name in AMOUNTS and after.upper() in MULTIPLES:
        return before, core, MULTIPLES[after.upper()]
    return before + after, core, 0


def _number(text: str, name: str, mark: str) -> float:
    """A value; NaN if it is none."""
    _, core, multiple = _split(text, name)
    if re.fullmatch(r"(?i)[-+]?inf(inity)?", text.strip()):
        return float(text)
    if not re.search(r"\d", core) or not _FORMS[mark].fullmatch(core):
        return float("nan")
    plain = re.sub(SPACES, "", core.replace("," if mark == "." else ".", "")).replace(mark, ".")
    return float(plain) * (multiple or 1)


def plain(values: pd.Series) -> pd.Series | None:
    """A column of plain numbers as float64; None if it isn't one."""
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    if values.dtype.kind == "b":
        return None
    try:
        parsed = pd.to_numeric(values, errors="coerce").astype(np.float64)
    except (OverflowError, TypeError):  # whole numbers of hundreds of digits, things that are no texts
        return None
    return None if bool((parsed.isna() & values.notna()).any()) else parsed


def not_a_number(bad: pd.Series, name: str, title: str) -> InputError:
    """The refusal of the values `bad`, of which there is at least one."""
    return InputError(
        f"line {bad.index[0]}, column {title}: {short(bad.iloc[0])!r} is not a number "
        f"({len(bad)} such {'value' if len(bad) == 1 else 'values'} in {name})"
    )
