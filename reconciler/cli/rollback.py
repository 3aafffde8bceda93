"""`rollback`: have the schedule and the service use what an earlier run was, until an `apply` changes it.

The run's revision is registered again as the newest of its family, which the schedule launches, with a tag that names
the run and the revision that is put aside. A plan sees by it that the file's own is held back (kinds/
ecs_task_definition.py), so that nothing else remembers it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Annotated

from reconciler.cli.locking import lock_of
from reconciler.cli.options import OfRun
from reconciler.cli.past_runs import Past, whole_runs
from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.signals import on_interrupt
from reconciler.cli.step_output import Changed, Steps, outcome_json, show_outcome
from reconciler.cli.target import Target, command_line, deployment_of, target_of, where_line
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import AwsError, Interrupted, UserError
from reconciler.core.graph import Graph, Node, resolve
from reconciler.core.plan import Options, Plan
from reconciler.core.spec import Address, Observed, Ref
from reconciler.engine import apply as engine
from reconciler.engine.deployment import Deployment
from reconciler.engine.prepare import used_by
from reconciler.image.in_use import digest_in, mark
from reconciler.kinds import ServiceSpec, TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.ecs_task_definition import UNTIL, rollback_mark, rolled_back
from reconciler.run.catalog import Catalog
from reconciler.run.earlier import check_image, check_launchable, definition_of, first_of, pinned, placed
from reconciler.run.job import runs_of
from reconciler.run.run import Run
from reconciler.run.state import State

LOOKED = 200  # runs, the newest first, that are looked at for one with another definition
Live = Observed[TaskDefinitionSpec]


@dataclass(frozen=True)
class Arguments(OfRun):
    """What `rollback` is asked. wait_for_lock: seconds."""

    undo: bool
    skip_permission_check: bool
    wait_for_lock: float


@dataclass(frozen=True)
class RolledBack(Changed):
    """What was changed."""

    run: Annotated[str | None, "the run whose definition is used; null for the file's own"]


ANSWERS = (RolledBack,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Roll back, or end that. Returns 0, or 1 when a step failed."""
    target = target_of(options)
    on_interrupt(target.stop.set)
    deployment = deployment_of(target, target.aws(terminal), terminal, "apply", skip_image=True)
    address = Address(TaskDefinitionSpec.kind, str(deployment.deploy.task.family))
    live = deployment.early.get(address)
    if deployment.deploy.schedule is None and deployment.deploy.service is None:
        raise UserError(
            "neither a schedule nor a service is in the file, and nothing else uses a definition by itself",
            hint="to launch what an earlier run was: `apply --like RUN`",
        )
    if live is None:
        raise UserError(f"there is no task definition {address.name} yet", hint="run `apply`")
    if options.undo and options.run:
        raise UserError("--undo takes no run: it goes back to what the file says")
    back, definition = (
        ("", _own_definition(live)) if options.undo else _wanted(target, deployment, terminal, live, options.run)
    )
    if back:
        _keep_images(deployment, terminal, definition)
    scope = _only(deployment, definition)
    applied = engine.apply(
        scope,
        Options(targets=frozenset(a for a in scope.graph.nodes if a.kind in (address.kind, ServiceSpec.kind))),
        _Shown(terminal, target, scope),
        lock=lock_of(target, deployment.aws, "rollback", options.wait_for_lock),
        stop=target.stop,
        ask_iam=not options.skip_permission_check,
    )
    show_outcome(terminal, applied.outcome, command_line())
    if target.stop.is_set():
        raise Interrupted("interrupted", hint=f"what was done is kept; to continue: {command_line()}")
    if options.json:
        answer = plan_json(applied.plan), *outcome_json(applied.outcome)
        terminal.json(RolledBack(*answer, run=back or None))
    elif applied.outcome.ok:
        terminal.print(terminal.fold("", _outcome_text(back)))
    return 0 if applied.outcome.ok else 1


def _outcome_text(run_id: str) -> str:
    if not run_id:
        return "Nothing is rolled back: the newest revision is the file's own."
    return f"Rolled back: the schedule and the service use what run {run_id} was, {UNTIL}."


def _own_definition(live: Live) -> TaskDefinitionSpec:
    """The file's own definition, as `apply` made it. Raises UserError where a rollback is in force and it is gone."""
    if rolled_back(live.spec.tags) is None:
        return live.spec
    if live.aside is None:
        raise UserError(live.note, hint="`apply` makes what the file says")
    return live.aside.spec


def _wanted(
    target: Target, deployment: Deployment, terminal: Terminal, live: Live, run_id: str
) -> tuple[str, TaskDefinitionSpec]:
    """The run to go back to, and its definition; no run where that is the file's own. Raises UserError."""
    past = Past(target, deployment.aws, runs_of(deployment.aws, deployment.names, terminal.note), deployment.names)
    own_definition = live.aside or live
    first = first_of(past.find(run_id), past.find) if run_id else _last_good(past, deployment, own_definition)
    spec = _definition(deployment, first, own_definition.spec)
    image, notes = pinned(first, str(spec.containers[0].image))
    for note in notes:
        terminal.note(f"note: {note}")
    check_image(deployment.aws, deployment.names, first, image)
    spec = spec.model_copy(update={"containers": (spec.containers[0].model_copy(update={"image": image}),)})
    earlier_mark = rolled_back(own_definition.spec.tags)  # where the file's own is gone
    if spec == own_definition.spec and earlier_mark is None:
        terminal.note(f"run {first.id} was launched with the file's own definition")
        return "", own_definition.spec
    mark = rollback_mark(first.id, str(earlier_mark[1]) if earlier_mark else own_definition.attributes["revision"])
    return first.id, spec.model_copy(update={"tags": {**own_definition.spec.tags, **mark}})


def _definition(deployment: Deployment, first: Run, own_spec: TaskDefinitionSpec) -> TaskDefinitionSpec:
    """What the schedule and the service can launch of what a run was. Raises UserError."""
    spec = placed(first, definition_of(deployment.aws, deployment.names, first).spec, own_spec)
    check_launchable(deployment.names, first, spec, own_spec)
    return spec


def _keep_images(deployment: Deployment, terminal: Terminal, definition: TaskDefinitionSpec) -> None:
    """Have ECR keep the images that come into use again. That this is refused is no reason to stay with the others."""
    if (users := used_by(deployment.deploy)) is None:
        return
    for digest in filter(
        None, (digest_in(deployment.names.repository, str(container.image)) for container in definition.containers)
    ):
        try:
            mark(deployment.aws, deployment.names.repository, users, digest)
        except AwsError as error:
            terminal.note(f"note: ECR may delete the image {digest} when newer ones are pushed: {error}")


def _last_good(past: Past, deployment: Deployment, own_definition: Live) -> Run:
    """The newest run that succeeded with another definition than the file's. Raises UserError."""
    looked_at = {own_definition.attributes["arn"]}
    catalog = Catalog(past.runs)
    good = ([run for run in batch if run.state is State.SUCCEEDED] for batch in catalog.batches())
    for run in islice(chain.from_iterable(whole_runs(catalog.whole_runs(batch)) for batch in good), LOOKED):
        if run.task_definition in looked_at:
            continue
        looked_at.add(run.task_definition)
        first = first_of(run, past.find)
        try:
            spec = _definition(deployment, first, own_definition.spec)
        except UserError as error:
            past.runs.say(f"run {run.id} is left out: {error}")
            continue
        if spec != own_definition.spec:
            return first
    problem = f"none of the newest {LOOKED} runs has succeeded with another definition"
    raise UserError(problem, hint="`runs` lists them; name one")


def _only(deployment: Deployment, definition: TaskDefinitionSpec) -> Deployment:
    """The deployment with this definition, and with nothing that it or the service needs: that stays as it is."""
    group = Address("security-group", str(deployment.deploy.network.security_group.name))
    values: dict[Ref, str] = {}
    if deployment.deploy.service is not None:
        spec = deployment.graph.nodes[group].spec
        if live := deployment.kinds[group.kind].observe(deployment.aws, [spec]).get(group.name):
            values = {Ref(group, name): value for name, value in live.attributes.items()}
    nodes = (
        Node(definition if node.spec.address == definition.address else resolve(node.spec, values), (), node.protect)
        if isinstance(node.spec, TaskDefinitionSpec | ServiceSpec)
        else node
        for node in deployment.graph.nodes.values()
    )
    kinds = {**deployment.kinds, TaskDefinitionSpec.kind: TaskDefinition(plain=True)}
    return replace(deployment, graph=Graph(nodes), kinds=kinds, early={})


class _Shown(Steps):
    """A rollback at the terminal: what changes, then each step."""

    def __init__(self, terminal: Terminal, target: Target, deployment: Deployment) -> None:
        super().__init__(terminal)
        self.target, self.deployment = target, deployment

    def planned(self, plan: Plan) -> None:
        """Print the plan."""
        self.terminal.say(self.terminal.fold("", where_line(self.deployment, self.target)))
        show_plan(self.terminal, plan)

    def executing(self) -> None:
        """An empty line before the steps."""
        self.terminal.say()

    def launching(self) -> None:
        """Nothing is launched."""
