"""How a plan reads: of a set only what comes and goes."""

from __future__ import annotations

import io

import pytest

from reconciler.cli.render import show_plan
from reconciler.cli.terminal import Terminal
from reconciler.core.plan import Plan, make_plan
from reconciler.core.spec import OWNER_TAG, Observed
from reconciler.kinds import RoleSpec
from tests.core.things import graph

ARN = "arn:aws:iam::123456789012:policy/quite-a-long-name-of-a-policy-of-this-deploy-{}"
TAGS = {OWNER_TAG: "mine"}


def plan(want: tuple[str, ...], seen: tuple[str, ...]) -> Plan:
    spec, there = (
        RoleSpec(name="r", managed_policies=tuple(map(ARN.format, policies)), tags=TAGS) for policies in (want, seen)
    )
    return make_plan("mine", graph(spec), {spec.address: Observed(there)})


@pytest.mark.parametrize(
    ("want", "seen", "signs"),
    [("ab", "a", ["+ b"]), ("a", "ab", ["- b"]), ("ac", "ab", ["- b", "+ c"]), ("abc", "bcd", ["- d", "+ a"])],
)
def test_what_stays_isnt_shown_as_if_it_went(
    want: str, seen: str, signs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan(Terminal(), plan(tuple(want), tuple(seen)))
    shown = [line.strip() for line in capsys.readouterr().out.splitlines() if "policy/" in line]
    assert shown == [f"{sign[:2]}{ARN.format(sign[2:])}" for sign in signs]


class Screen(io.StringIO):
    """Takes what a terminal gets."""

    def isatty(self) -> bool:
        return True


def test_what_is_waited_for_is_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    terminal.stream, terminal.live = Screen(), True
    terminal.status("working")
    for seconds in range(3):
        terminal.waiting(f"waiting for it, {seconds} s")
    terminal.print("done")
    shown = terminal.stream.getvalue()
    assert shown.count("\n") == 3 + 1  # below the status, each in the place of the one before, and what was printed
    last = shown.rsplit("\x1b[J", 1)[1]
    assert last.splitlines() == ["done", "working"]
