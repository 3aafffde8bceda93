"""Which deletion waits for which: for those of what uses it, and for no other."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from bench.subjects import deploy_file
from reconciler.config import load
from reconciler.core.deletion_order import in_order
from reconciler.core.graph import Node
from reconciler.core.spec import Address, Spec
from reconciler.engine.deployment import ranks
from reconciler.image.kind import EVERY_KIND
from reconciler.kinds import ObjectSpec
from reconciler.lower import lower
from tests.core.things import OWNED, Box, Content, graph, seen, thing
from tests.permissions.test_policies import EVERYTHING, SMALL, names_of

RANKS = ("box", "content", "thing", "host")


class Host(Spec):
    """Something runs in it."""

    kind: ClassVar[str] = "host"
    works_with: ClassVar[tuple[str, ...]] = ("box",)


BOX, INSIDE, HOST = Box(name="a", tags=OWNED), Content(name="a/c", tags=OWNED), Host(name="h", tags=OWNED)
OTHER_BOX = Box(name="b", tags=OWNED)
ONE, TWO = thing("one"), thing("two", holds=("ARN",))
USES_BOX = Node(ONE, (BOX.address,))


# (nodes of the file, what is there besides, who deletes, what each waits for in the order of the steps)
@pytest.mark.parametrize(
    ("nodes", "left", "last", "waits"),
    [
        pytest.param([BOX, ONE, TWO], [], [], ["one", "two", "a"], id="nothing uses anything"),
        pytest.param([BOX, USES_BOX, TWO], [], [], ["one", "two", "a <- one"], id="only who uses it"),
        pytest.param(
            [BOX, Node(TWO, (BOX.address,)), Node(ONE, (TWO.address,))], [], [], ["one", "two <- one", "a <- one two"],
            id="through another"),
        pytest.param(
            [BOX, Node(INSIDE, (BOX.address,)), OTHER_BOX], [], [], ["a/c", "a <- a/c", "b"], id="its own part"),
        pytest.param([OTHER_BOX], [BOX, INSIDE], [], ["a/c", "a <- a/c", "b"], id="a part that left the file"),
        pytest.param([BOX, HOST, ONE], [], [], ["h", "one", "a <- h"], id="what runs in it"),
        pytest.param([BOX, ONE], [TWO], [], ["one", "two", "a <- two"], id="what left may use any of these"),
        pytest.param([ONE, TWO], [BOX], [], ["one", "two", "a <- one two"], id="any may use what left"),
        pytest.param([BOX, USES_BOX, TWO], [], [ONE], ["two", "one <- two", "a <- two one"], id="who deletes is last"),
        pytest.param([BOX, TWO], [], [ONE], ["two", "a"], id="who deletes is another's"),
    ],
)  # fmt: skip
def test_what_each_waits_for(nodes: list[Spec | Node], left: list[Spec], last: list[Spec], waits: list[str]) -> None:
    specs = [node.spec if isinstance(node, Node) else node for node in nodes]
    deletions = in_order(
        [seen(spec) for spec in (*specs, *left)], graph(*nodes), RANKS, [spec.address for spec in last]
    )
    shown = [(observed.spec.name, [address.name for address in before.after]) for observed, before in deletions]
    assert [f"{name} <- {' '.join(after)}" if after else name for name, after in shown] == waits
    assert all(set(before.needs) <= set(before.after) for _, before in deletions)


@pytest.mark.parametrize(("arn", "needs"), [("ARN", True), ("AR", False), ("", False)])
def test_what_left_the_file_holds_back_what_its_values_name(arn: str, needs: bool) -> None:
    box = seen(BOX, arn=arn) if arn else seen(BOX)
    (_, first), (_, second) = in_order([box, seen(TWO)], graph(), RANKS)
    assert (first.needs, second.needs, second.after) == ((), (TWO.address,) if needs else (), (TWO.address,))


def test_who_deletes_goes_last_with_what_its_values_name_though_all_left_the_file() -> None:
    """Without its policies it could delete nothing more."""
    mine, other = seen(BOX, arn="ARN"), seen(OTHER_BOX, arn="OTHER")
    going = [mine, other, seen(ONE), seen(TWO), seen(HOST)]
    names = [observed.spec.name for observed, _ in in_order(going, graph(), RANKS, [TWO.address])]
    assert names == ["h", "one", "b", "two", "a"]


def test_a_thousand_in_a_folder_that_left_take_no_time() -> None:
    parts = [seen(Content(name=f"a/{number}", tags=OWNED)) for number in range(1000)]
    deletions = in_order([seen(BOX), *parts], graph(), RANKS)
    assert [len(before.needs) for _, before in deletions] == [0] * 1000 + [1000]


SPECS = {kind.spec.kind: kind.spec for kind in EVERY_KIND}
ORDER = ranks(SPECS)


@pytest.mark.parametrize("kind", SPECS)
def test_a_kind_uses_only_what_is_made_before_it(kind: str) -> None:
    used = {*SPECS[kind].uses, *SPECS[kind].works_with, *filter(None, [SPECS[kind].part_of])}
    assert used <= SPECS.keys()
    assert [used_kind for used_kind in used if ORDER.index(used_kind) >= ORDER.index(kind)] == []


@pytest.mark.parametrize("file", [EVERYTHING, SMALL], ids=["everything", "small"])
def test_a_kind_says_of_itself_all_that_a_file_means(file: dict[str, object]) -> None:
    names = names_of(file)
    nodes = lower(names.deploy, names.facts).needs
    pairs = {(address.kind, need.kind) for address, needs in nodes.items() for need in needs}
    unsaid = {(who, need) for who, need in pairs if need not in (*SPECS[who].uses, SPECS[who].part_of)}
    assert len(pairs) > 2
    assert unsaid == set()


def test_the_guides_resources_go_in_three_steps(tmp_path: Path) -> None:
    """Where each waited for the kinds made after it, they were ten."""
    (tmp_path / "data").mkdir()
    for name, text in {"deploy.yaml": deploy_file(), "data/sample.csv": "x\n", "Dockerfile": "FROM scratch\n"}.items():
        (tmp_path / name).write_text(text)
    nodes = lower(
        load(tmp_path / "deploy.yaml", environ={}),
        names_of(SMALL).facts,
        [ObjectSpec(name="aig130-p2-ml-data-bucket/data.csv")],
    )
    step: dict[Address, int] = {}
    for observed, before in in_order([seen(node.spec) for node in nodes.nodes.values()], nodes, ORDER):
        step[observed.spec.address] = 1 + max((step[other] for other in before.after), default=0)
    kinds = [sorted({address.kind for address, number in step.items() if number == n}) for n in (1, 2, 3)]
    assert kinds == [
        ["cluster", "task-definition", "user"],
        ["log-group", "object", "policy", "repository", "role", "security-group"],
        ["bucket", "policy"],
    ]
