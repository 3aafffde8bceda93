"""What a file means that AWS would refuse for its size, with the place in the file and the way out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core import limits
from reconciler.core.errors import UserError
from reconciler.core.limits import policy_size
from reconciler.core.spec import Spec
from reconciler.kinds import FunctionSpec, ParameterSpec, PolicySpec, RoleSpec, RuleSpec, TaskDefinitionSpec, UserSpec
from reconciler.kinds.ecs_task_definition import request
from reconciler.lower.managed import is_part

AS_A_FILE = "give the program long text as a file (data.files)"
FOLDERS = "name folders, such as read: [data/*], or put the files into fewer folders"
SHORTER = "write a shorter name: what it allows is too much for one policy, and further ones are NAME.2 and so on"
FEWER = "name fewer, or shorter ones"


def check_sizes(names: Names, specs: Iterable[Spec]) -> None:
    """Raises UserError with all that is too large."""
    problems = dict.fromkeys(
        (f"{place}: {problem}", fix) for spec in specs for place, fix, problem in _problems(names, spec) if problem
    )
    if problems:
        message = "\n".join(problem for problem, _ in problems)
        raise UserError(message, hint="\n".join(dict.fromkeys(fix for _, fix in problems)))


def _problems(names: Names, spec: Spec) -> Iterator[tuple[str, str, str]]:
    """(the part of the file that a resource follows from, the way out, what is too large, which may be empty)."""
    for problem in (*PROBLEMS.get(type(spec), lambda _: ())(spec), *limits.tag_problems(spec.tags.items())):
        yield *_place(names, spec), problem
    if isinstance(spec, PolicySpec):
        yield spec.name, SHORTER, limits.POLICY_NAME.exceeded(len(spec.name))


def _place(names: Names, spec: Spec) -> tuple[str, str]:
    """(the part of the file that a resource follows from, the way out)."""
    deploy = names.deploy
    role, ci = deploy.task.role, deploy.ci

    def about(*wholes: str | None) -> bool:
        return any(is_part(spec.name, whole) for whole in wholes)

    if isinstance(spec, TaskDefinitionSpec):
        return "task.environment, task.secrets and task.command", AS_A_FILE
    if isinstance(spec, ParameterSpec):
        return "parameters", AS_A_FILE
    if isinstance(spec, FunctionSpec | RuleSpec):
        return "schedule", "write shorter names, or fewer subnets"
    if about(role.policy_name, role.name):
        field = "task.role.policy" if role.only_policy else "data.files, task.role.read and task.role.write"
        return field, FEWER if role.only_policy else FOLDERS
    if ci and ci.policy and about(ci.policy_name):
        return "ci.policy", FEWER
    github, user = (ci.github, ci.user) if ci else (None, None)
    of_ci = [ci.policy_name] if ci else []
    of_ci += [github.role, github.plan_role] if github else []
    of_ci += [ci.gitlab.role] if ci and ci.gitlab else []
    if about(*of_ci, *([user.name] if user else ())):
        return "data.files and parameters, which ci: is about", FOLDERS
    return "task.secrets and parameters", FEWER


PROBLEMS: dict[type[Spec], Callable[[Any], Iterable[str]]] = {
    PolicySpec: lambda spec: [limits.MANAGED_POLICY.exceeded(policy_size(spec.document.text()))],
    RoleSpec: lambda spec: [
        limits.TRUST.exceeded(policy_size(spec.trust.text())),
        _inline(limits.ROLE_INLINE, spec),
        _attached(spec),
    ],
    UserSpec: lambda spec: [_inline(limits.USER_INLINE, spec), _attached(spec)],
    TaskDefinitionSpec: lambda spec: [limits.TASK_DEFINITION.exceeded(limits.json_size(_plain(request(spec))))],
    FunctionSpec: lambda spec: [
        limits.FUNCTION_ENVIRONMENT.exceeded(limits.environment_size(_plain(spec.environment)))
    ],
    ParameterSpec: lambda spec: [limits.PARAMETER.exceeded(len(str(v).encode())) for v in spec.initial.values()],
    RuleSpec: lambda spec: [limits.EVENT_PATTERN.exceeded(len(spec.pattern))],
}


def _inline(limit: limits.Limit, spec: RoleSpec | UserSpec) -> str:
    return limit.exceeded(sum(policy_size(document.text()) for document in spec.inline_policies.values()))


def _attached(spec: RoleSpec | UserSpec) -> str:
    return limits.ATTACHED.exceeded(len(spec.managed_policies))


def _plain(value: Any) -> Any:
    """The value with each reference as text, which is about as long as what AWS puts there."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, int | float | str | None) else str(value)
