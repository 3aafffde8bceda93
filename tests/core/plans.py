"""Plans of things, and what their tests share."""

from __future__ import annotations

from reconciler.core.graph import Node
from reconciler.core.plan import DEFAULT, Options, Plan, Step, make_plan, plan_destroy
from reconciler.core.spec import OWNER_TAG, Address, Observed, Spec
from tests.core.things import ME, OWNED, Box, Content, graph

A, B = Address("thing", "a"), Address("thing", "b")
RANKS = ("box", "content", "thing")
OTHERS = {OWNER_TAG: "other"}
ADOPT, PRUNE, DATA = Options(adopt=True), Options(prune=True), Options(delete_data=True)
BOX, INSIDE = Box(name="a", shape="x", tags=OWNED), Content(name="a/c", text="t", tags=OWNED)


def plan(*nodes: Spec | Node, live: dict[Address, Observed[Spec]] | None = None, recorded: set[Address] | None = None,
         options: Options = DEFAULT) -> Plan:  # fmt: skip
    return make_plan(
        ME, graph(*nodes), live or {}, recorded=frozenset(recorded or ()), options=options, ranks=RANKS
    )  # fmt: skip


def only(planned: Plan) -> Step:
    (step,) = planned.steps
    return step


def destroy(*nodes: Spec | Node, live: dict[Address, Observed[Spec]], recorded: set[Address] | None = None,
            options: Options = DEFAULT) -> Plan:  # fmt: skip
    return plan_destroy(ME, graph(*nodes), live, recorded=frozenset(recorded or ()), options=options, ranks=RANKS)


UNSURE = "only the record says that it is this deploy's, no tag does"  # how the reason begins
