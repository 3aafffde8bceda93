"""The secrets of a file that can't be used: no message about it may quote one.

What a value belongs to is known from the structure of a file, and just that may be wrong here. So the text is looked at
line by line, and rather too much is taken for a secret: nothing but the messages of this file has less for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.core.secret import KNOWN, LONG, looks_secret, secrets_in

_NAME = re.compile(r"""(?<![\w.-])(?<!\$\{)([A-Za-z_][\w.-]{0,100})["']?\s*[:=]\s*""", re.ASCII)
_ALONE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]{4,100})[ \t]+(?=\S+\s*$)", re.ASCII)  # the colon is forgotten
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-([^{}]*))?\}|\$\{git\.sha\}")
_BETWEEN = re.compile(r"[\s,{}\[\]\"'|>]+")
_BLOCK = re.compile(r"[|>][0-9+-]*\s*|")  # what may stand where the value comes in the next lines
_NO_SECRET = re.compile(r"arn:.*|/.*|[+-]?[0-9.]*|true|false|yes|no|null|.*:", re.IGNORECASE | re.DOTALL)
MOST, LINES = 500, 50  # characters of a value, lines of one


def learn(text: str) -> None:
    """Have `KNOWN` know what seems to be a secret in it."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        KNOWN.learn_words([word for word in _BETWEEN.split(line) if word])
        for secret in secrets_in(line):
            KNOWN.add(secret)
        alone = _ALONE.match(line)
        for match in (*_NAME.finditer(line), *([alone] if alone else ())):
            name, value = match[1], line[match.end() : match.end() + MOST]
            if not looks_secret(name, value) or (name == name.lower() and len(name) <= 4) or name == "secrets":
                continue
            if _BLOCK.fullmatch(value):
                value = "\n".join(_below(lines, number))
            for candidate in _values(value):
                KNOWN.add(candidate)


def _below(lines: list[str], number: int) -> Iterator[str]:
    """The lines below one that are further to the right."""
    at = _indentation(lines[number])
    for line in lines[number + 1 : number + 1 + LINES]:
        if line.strip() and _indentation(line) <= at:
            return
        yield line[:MOST]


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" -"))


def _values(text: str) -> Iterator[str]:
    """What may be the value of a variable in the text that follows its name, and how a hint may write it."""
    plain = _VARIABLE.sub(lambda match: f" {match[1] or ''} ", text)
    quoted = re.match(r"(['\"])(.+)\1", plain.strip(), re.DOTALL)
    for word in [*([quoted[2]] if quoted else []), *_BETWEEN.split(plain)]:
        word = word.lstrip("!&*$%@`").removesuffix("${")
        if _NO_SECRET.fullmatch(word):
            continue
        yield word
        if len(word) >= LONG:
            yield from (re.sub(r"[^A-Za-z0-9]+", between, word).strip(between) for between in "_-")
