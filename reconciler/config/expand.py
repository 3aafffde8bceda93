"""Values from the environment: ${NAME}, ${NAME:-default}, ${git.sha}; $${ stands for a literal ${. Nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler import version as git
from reconciler.config.problems import quoted
from reconciler.core.secret import looks_secret, secrets_in

_TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)(\})?")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|git\.sha)(?::-(.*))?", re.DOTALL)


MOST = 1 << 20  # characters of all values of a file that come from variables: far more than any real file has


class ExpandError(Exception):
    """A ${...} that can't be expanded. `start` and `end` are offsets into the text."""

    def __init__(self, message: str, fix: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.fix, self.start, self.end = message, fix, start, end


class TooMuch(ExpandError):
    """What the variables of a file hold is too much."""


@dataclass(frozen=True)
class Expanded:
    """A text after expansion; `secrets` are the values in it that came from secret-looking variables, by name."""

    text: str
    changed: bool
    secrets: tuple[tuple[str, str], ...] = ()


def expand(text: str, environ: Mapping[str, str], git_sha: Callable[[], str | None], room: int = MOST) -> Expanded:
    """`text` with its ${...} replaced. room: how long it may become. Raises ExpandError, TooMuch."""
    if "${" not in text:
        return Expanded(text, changed=False)
    parts: list[str] = []
    secrets: list[tuple[str, str]] = []
    at = 0
    for match in _TOKEN.finditer(text):
        parts.append(text[at : match.start()])
        at = match.end()
        if match[0] == "$${":
            parts.append("${")
            continue
        name, value = _value(match, environ, git_sha)
        parts.append(value)
        room -= len(value)
        if room < 0:
            message = f"the variables in this file have more than {MOST:,} characters together"
            raise TooMuch(message, "give the program long text as a file", *match.span())
        if value and name in environ:
            is_secret = looks_secret(name, value)
            secrets += [(name, part) for part in ([value] if is_secret else secrets_in(value))]
    parts.append(text[at:])
    return Expanded("".join(parts), changed=True, secrets=tuple(secrets))


def _value(match: re.Match[str], environ: Mapping[str, str], git_sha: Callable[[], str | None]) -> tuple[str, str]:
    start, end = match.span()
    if match[2] is None:
        if match.string[end : end + 2].startswith("{"):
            raise ExpandError("${...} inside ${...} is not possible", "write it without the inner one", start, end)
        raise ExpandError(
            "${ without its }",
            "add the }, quote the value if it holds # or :, or write $${ for a literal ${",
            start,
            end,
        )
    inside = _INSIDE.fullmatch(match[1])
    if inside is None:
        raise ExpandError(f"{quoted(match[0])} is not known", _hint(match[1]), start, end)
    name, default = inside[1], inside[2]
    why: git.NoAnswer = git.NoCommit("this folder isn't in a git repository with a commit", "commit first")
    try:
        value = git_sha() if name == "git.sha" else environ.get(name)
    except git.NoAnswer as error:
        value, why = None, error
    if value or (value is not None and default is None):
        return name, value
    if default is not None:
        return name, default
    if name == "git.sha":
        raise ExpandError(f"git.sha is not known: {why.message}", f"{why.fix}, or write ${{git.sha:-none}}", start, end)
    message = f"the variable {name} is not defined"
    raise ExpandError(message, f"set it (export {name}=...), or give a default: ${{{name}:-value}}", start, end)


def _hint(inside: str) -> str:
    match = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*):?[-=?+](.*)", inside, re.DOTALL)
    if match:
        return f"write ${{{match[1]}}} or ${{{match[1]}:-{match[2]}}}"
    if re.fullmatch(r"(?i)git[._]?(sha|commit|rev|hash)", inside):
        return "write ${git.sha}"
    return "write ${NAME}, ${NAME:-default} or ${git.sha}; $${ stands for a literal ${"
