"""A YAML file as plain values, and where in the file each of them stands.

Scalars in fields that hold text keep the text as written; ${...} is expanded in values after parsing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from reconciler.config import fields
from reconciler.config.expand import MOST, Expanded, ExpandError, TooMuch, expand
from reconciler.config.problems import ConfigError, Path, printable, quoted, show_path
from reconciler.config.resolve import TAG, plain
from reconciler.core.plain_json import DEEPEST
from reconciler.core.secret import KNOWN, secrets_in

_MOST = 20_000  # values, after aliases: far more than any real file, and few enough for a hostile one to end at once
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # PyYAML's line breaks
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Spot:
    """Where a key or value stands (from 0), how it reads in the file, and where its text came from."""

    line: int
    column: int
    width: int
    text: str
    scalar: bool
    expanded: Expanded | None = None
    secret: bool = False  # it is one, or holds one, as it stands in the file


@dataclass
class Document:
    """A file's values as `tree`, with the spots of keys and values by path, and what was wrong on the way."""

    file: str
    lines: list[str]
    tree: Any = None
    values: dict[Path, Spot] = field(default_factory=dict)
    keys: dict[Path, Spot] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict)
    unshown: set[int] = field(default_factory=set)  # lines with a secret, or with a URL that isn't to be shown
    origins: dict[Path, Path] = field(default_factory=dict)  # where values stand that an environment gave
    environment_spot: Spot | None = None  # the environment's key

    def error(
        self,
        path: Path,
        message: str,
        fix: str,
        *,
        spot: Spot | None = None,
        display_path: Path | None = None,
        broken: bool = True,
    ) -> None:
        """Note a problem at `path`; `display_path` is the path to name if it isn't that.

        `spot` is pointed at, or else what is nearest to `path`. `broken` says that there is no use in looking at the
        value any further.
        """
        spot = spot or self.spot(path)
        self.errors.append(
            ConfigError(
                file=self.file,
                line=spot.line + 1,
                column=spot.column + 1,
                path=show_path(self._origin(path if display_path is None else display_path)),
                value=self._masked(spot.text if spot.scalar and not self._unshown(spot) else ""),
                message=self._masked(message),
                fix=self._masked(fix),
                source=self._source(spot.line),
                width=spot.width,
            )
        )
        if broken:
            self.broken.add(path)

    def source(self, path: Path) -> str:
        """The line of the file in which the value at `path` stands, as a message may show it."""
        return self._source(self.spot(path).line)

    def _source(self, line: int) -> str:
        """A line of the file as a message may show it: empty where a secret stands in it."""
        if line >= len(self.lines) or line in self.unshown:
            return ""
        text = self.lines[line]
        return "" if KNOWN.hide(text) != text else text

    def _origin(self, path: Path) -> Path:
        for end in range(len(path), 0, -1):
            if origin := self.origins.get(path[:end]):
                return origin + path[end:]
        return path

    def spot(self, path: Path) -> Spot:
        """The spot of the value at `path`, of its key if it is a list or mapping, or of the nearest thing above."""
        for end in range(len(path), -1, -1):
            value, key = self.values.get(path[:end]), self.keys.get(path[:end])
            if value and value.scalar and value.text and end == len(path):
                return value
            if key or value:
                return key or value or Spot(0, 0, 1, "", scalar=False)
        return Spot(0, 0, 1, "", scalar=False)

    def shown(self, path: Path, value: Any) -> str:
        """`value` as a message may show it: as written, and never what came from a secret-looking variable."""
        spot = self.values.get(path)
        if spot and self._unshown(spot):
            return "this text"
        if spot and spot.expanded:
            if spot.expanded.secrets:
                return f"the value of {printable(spot.text)}"
            return f"{quoted(spot.expanded.text)} (from {printable(spot.text)})"
        if isinstance(value, str):
            return quoted(value)
        return printable(spot.text) if spot and spot.scalar else str(value)

    def is_secret(self, path: Path) -> bool:
        """Whether the value at `path` came from a secret-looking variable."""
        spot = self.values.get(path)
        return bool(spot and (self._unshown(spot) or (spot.expanded and spot.expanded.secrets)))

    def _unshown(self, spot: Spot) -> bool:
        return spot.secret or (spot.line in self.unshown and "://" in spot.text)

    def _masked(self, text: str) -> str:
        """`text` without secrets: messages avoid them already, and this makes sure of it.

        Short ones are left to the messages: they could be a part of any word, and masking would show which.
        """
        for secret in sorted((s for s in self.secrets if len(s) >= 8), key=len, reverse=True):
            for form in (secret, printable(secret)):
                text = text.replace(form, f"${{{self.secrets[secret]}}}")
        return KNOWN.hide(text)


def variable_at(path: Path) -> str:
    """The variable whose value stands at `path`; empty for any other place."""
    if path[:1] == ("parameters",) and len(path) in (2, 3):
        return str(path[1]) if path[2:] in ((), ("value",)) else ""
    after = {
        ("task", "environment"): 2,
        ("image", "build_args"): 2,
        ("logs", "options"): 2,
        ("run", "sweep", "grid"): 3,
    }
    after |= {("run", "sweep", "random", "choices"): 4}
    for start, at in after.items():
        if path[:at] == start and len(path) > at:
            return str(path[at])
    return str(path[4]) if path[:3] == ("run", "sweep", "list") and len(path) > 4 else ""


def split(text: str) -> list[str]:
    """The lines of `text` as PyYAML counts them."""
    return _BREAK.split(text)


class Builder:
    """Makes the tree of a composed file, noting spots and problems in `document`."""

    def __init__(
        self, document: Document, environ: Mapping[str, str], git_sha: Callable[[], str | None], *, texts: bool = False
    ) -> None:
        """texts: every scalar stays the text that it is written as, and nothing in it is expanded."""
        self.document, self._texts = document, texts
        self._environ, self._git_sha = environ, git_sha
        self._room, self._full = MOST, False  # for what variables hold; whether it was said that there is none left
        self._open: list[int] = []
        self._count = 0

    def build(self, node: yaml.Node, path: Path = ()) -> Any:
        """The value of `node`. What is wrong is noted and becomes None."""
        self._count += 1
        if self._count > _MOST or len(path) >= DEEPEST:  # aliases nest deeper than what the composer has seen
            raise OverflowError
        self.document.values[path] = self._spot(node)
        if id(node) in self._open:
            self.document.error(path, "this alias is part of the value that it stands for", "write the value instead")
            return None
        self._open.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
            assert isinstance(node, yaml.ScalarNode)
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merged: list[yaml.MappingNode] = []
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == TAG + "merge":
                merged += self._merged(value, path)
            elif not isinstance(key, yaml.ScalarNode):
                self.document.error(path, "a key must be text", "write key: value", spot=self._spot(key), broken=False)
            elif key.value in pairs:
                first = pairs[key.value][0].start_mark.line + 1
                message = f"{quoted(key.value)} is given twice, first on line {first}"
                self.document.error((*path, key.value), message, "keep one of them", spot=self._spot(key), broken=False)
            else:
                pairs[key.value] = (key, value)
        for mapping_node in merged:
            self._count += len(mapping_node.value)
            if self._count > _MOST:
                raise OverflowError
            for key, value in mapping_node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != TAG + "merge":
                    pairs.setdefault(key.value, (key, value))
        tree = {}
        for name, (key, value) in pairs.items():
            value_path = (*path, name)
            self.document.keys[value_path] = self._spot(key)
            built = self.build(value, value_path)
            if built is not None or not fields.may_be_empty(fields.plain(value_path)):
                tree[name] = built
        if str(tree.get("secure")).lower() == "true" and (variable := variable_at(fields.plain((*path, "value")))):
            KNOWN.names.add(variable)
            for name in pairs.keys() - {"secure", "name", "give_as"}:  # `value`, however it is misspelt
                self._learn(pairs[name][1], (*path, name), variable)
        return tree

    def _merged(self, node: yaml.Node, path: Path) -> list[yaml.MappingNode]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        mappings = [n for n in nodes if isinstance(n, yaml.MappingNode)]
        if len(mappings) != len(nodes):
            message = "<< takes a mapping, or a list of them"
            self.document.error(path, message, "write <<: *anchor", spot=self._spot(node), broken=False)
        return mappings

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if "://" in node.value and fields.unshown(fields.plain(path)):
            self.document.unshown |= set(range(node.start_mark.line, node.end_mark.line + 1))
        try:
            expanded = (
                Expanded(node.value, changed=False)
                if self._texts
                else expand(node.value, self._environ, self._git_sha, self._room)
            )
        except ExpandError as error:
            if isinstance(error, TooMuch):
                if self._full:
                    self.document.broken.add(path)
                    return None
                self._full = True
            self.document.error(path, error.message, error.fix, spot=self._inside(node, error))
            return None
        text = expanded.text
        if expanded.changed:
            self._room -= len(text)
            self._remember(node, path, expanded)
        if variable := variable_at(fields.plain(path)):
            KNOWN.learn(variable, text)
            self._learn(node, path, variable)
        if match := _CONTROL.search(text):
            message = f"this text holds the control character U+{ord(match[0]):04X}"
            self.document.error(path, message, "remove it")
            return None
        kind = node.tag.removeprefix(TAG)
        if kind not in ("str", "null", "bool", "int", "float", "merge"):
            self.document.error(
                path, f"the tag {quoted(node.tag.replace(TAG, '!!'))} is not supported", "write a plain value"
            )
            return None
        if expanded.changed:
            at = fields.plain(path)
            empty = not text and node.style is None and not (fields.as_written(at) and self._in_collection(at))
            return None if empty else text
        if kind == "null":
            return None
        return text if self._texts or fields.as_written(fields.plain(path)) else plain(kind, text)

    def _learn(self, node: yaml.Node | None, path: Path, variable: str) -> None:
        """Note that a variable's value is a secret as it stands in the file, or holds one."""
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            return
        if next(secrets_in(node.value), "") or ("${" not in node.value and KNOWN.learn(variable, node.value)):
            self.document.values[path] = replace(self.document.values[path], secret=True)
            self.document.unshown |= set(range(node.start_mark.line, node.end_mark.line + 1))

    def _remember(self, node: yaml.ScalarNode, path: Path, expanded: Expanded) -> None:
        """Note that the value came from variables, and which of its text must not be shown."""
        self.document.values[path] = self._spot(node, expanded if "${" in node.value.replace("$${", "") else None)
        for name, secret in expanded.secrets:
            self.document.secrets.setdefault(secret, name)
            KNOWN.add(secret)
        if expanded.secrets and (variable := variable_at(fields.plain(path))):
            KNOWN.names.add(variable)

    @staticmethod
    def _in_collection(path: Path) -> bool:
        return fields.pattern(path)[0][-1:] in ((fields.ITEM,), (fields.KEY,))

    def _spot(self, node: yaml.Node, expanded: Expanded | None = None) -> Spot:
        start, end = node.start_mark, node.end_mark
        scalar = isinstance(node, yaml.ScalarNode)
        line_length = len(self.document.lines[start.line]) if start.line < len(self.document.lines) else start.column
        width = (end.column if end.line == start.line else line_length) - start.column
        return Spot(start.line, start.column, max(1, width), node.value if scalar else "", scalar, expanded)

    def _inside(self, node: yaml.ScalarNode, error: ExpandError) -> Spot:
        """The spot of the ${...} in a scalar, if it stands there as it reads."""
        spot = self._spot(node)
        token = node.value[error.start : error.end]
        line = self.document.lines[spot.line] if spot.line < len(self.document.lines) else ""
        column = line.find(token, spot.column)
        if column < 0:
            return spot
        return Spot(spot.line, column, len(token), spot.text, scalar=True)
