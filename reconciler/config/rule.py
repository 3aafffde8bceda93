"""What holds a text to one of AWS's rules, with a suggestion when it is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.config.base import bad
from reconciler.core.aws_names import Form

Check = Callable[[str], str | None]


@dataclass(frozen=True)
class TextRule:
    """An annotation that holds a text to a rule; `pattern` must also be a regular expression in JavaScript."""

    subject: str
    rule: str
    pattern: str
    suggest: Check
    longest: int = 0
    also: Check = lambda _: None  # a reason that says more than the rule, or what a pattern can't express

    @classmethod
    def of(cls, form: Form, suggest: Check, also: Check = lambda _: None) -> TextRule:
        """The rule that AWS's own table has."""
        return cls(form.subject, form.allowed, form.pattern, suggest, form.most, also)

    def problem(self, value: str) -> str | None:
        """Why `value` is refused; None if it is right."""
        if self.longest and len(value) > self.longest:
            return f"it has {len(value)} characters, and at most {self.longest} are allowed"
        if reason := self.also(value):
            return reason
        return None if re.fullmatch(self.pattern, value, re.ASCII) else self.rule

    def check(self, value: str) -> str:
        """`value`; a PydanticCustomError with the rule and a suggestion if it is refused."""
        reason = self.problem(value)
        if reason is None:
            return value
        better = self.better(value)
        raise bad(f"{{value}} is not {self.subject}: {reason}", f"for instance {better}" if better else "")

    def better(self, value: str) -> str | None:
        """A text like `value` that is right, if there is one."""
        suggestion = self.suggest(value)
        return suggestion if suggestion and suggestion != value and self.problem(suggestion) is None else None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        # The length is part of the pattern, since a text with ${...} in it may be longer.
        limit = f"(?=.{{0,{self.longest}}}$)" if self.longest else ""
        return handler(schema) | {"pattern": f"^{limit}(?:{self.pattern})$"}


def plain(value: str) -> str:
    """`value` without accents and surrounding space."""
    return unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().strip()


def only(allowed: str, value: str) -> str:
    """`value` with what isn't in the character class `allowed` made a hyphen."""
    text = re.sub(f"[^{allowed}]+", "-", plain(value)).strip("-")
    return text if re.search(r"[A-Za-z0-9]", text) else "my-name"


def like(allowed: str, longest: int) -> Check:
    """A suggestion by `only`, of at most `longest` characters."""
    return lambda value: only(allowed, value)[:longest].strip("-.")
