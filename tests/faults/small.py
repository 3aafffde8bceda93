"""A few resources, planned and executed in this process as the command line does it, without a file for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from reconciler.aws.calls import Aws, Waiting
from reconciler.core.graph import Graph, Node
from reconciler.core.plan import Plan, make_plan, plan_destroy
from reconciler.core.spec import Address, Observed
from reconciler.engine.execute import Outcome, execute
from reconciler.kinds import KINDS, AnyKind
from tests.faults.world import Quiet
from tests.lab_client import LabHandle, SkippingClock

ORDER: dict[str, AnyKind] = {kind.spec.kind: kind for kind in KINDS}


class Small:
    """The resources of a deploy `demo` that isn't written anywhere. All of them are recorded as its own."""

    def __init__(self, lab: LabHandle, nodes: Iterable[Node]) -> None:
        self.lab, self.graph = lab, Graph(nodes)
        self.clock = SkippingClock()
        self.waits: list[Waiting] = []
        self.recorded = frozenset(self.graph.nodes)

    def aws(self, before_write: Callable[[], None] = lambda: None) -> Aws:
        """A way to the lab, as a new process would have."""
        return self.lab.aws(clock=self.clock, on_wait=self.waits.append, before_write=before_write)

    def seen(self) -> dict[Address, Observed[Any]]:
        """What there is."""
        aws = self.aws()
        specs = [node.spec for node in self.graph.nodes.values()]
        answers = [ORDER[spec.kind].observe(aws, [spec]) for spec in specs]
        return {observed.spec.address: observed for answer in answers for observed in answer.values()}

    def plan(self) -> Plan:
        """What is to be done."""
        return make_plan("demo", self.graph, self.seen(), recorded=self.recorded, ranks=list(ORDER))

    def apply(self, before_write: Callable[[], None] = lambda: None) -> Outcome:
        """Do it."""
        return execute(self.plan(), self.aws(before_write), ORDER, Quiet(), recorded=self.recorded)

    def destroy(self) -> Outcome:
        """Take it all away."""
        plan = plan_destroy("demo", self.graph, self.seen(), recorded=self.recorded, ranks=list(ORDER))
        return execute(plan, self.aws(), ORDER, Quiet(), recorded=self.recorded)
