"""The object that `plan --json` prints: docs/plan-json.md explains it, and `json_formats` makes its schema of this."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

VERSION: Literal[1] = 1
Action = Literal["create", "update", "replace", "delete", "adopt", "none"]
Text = Annotated[str, {"minLength": 1}]
Count = Annotated[int, {"minimum": 0}]

# By keys, since `from` is a word of Python's.
PlanChange = TypedDict(
    "PlanChange",
    {
        "path": Annotated[
            Text, "The field: names with dots between them, and in brackets what identifies an item of a set."
        ],
        "from": Annotated[Any, "The value in AWS: any JSON value; null is unset, `(hidden)` a value that isn't shown."],
        "to": Annotated[
            Any,
            "The wanted value, likewise; `(ATTRIBUTE of KIND.NAME, known once that is made)` is a "
            "value that isn't known yet.",
        ],
        "replaces": NotRequired[
            Annotated[Literal[True], "This difference is why the resource is replaced. Absent for no."]
        ],
        "widens": NotRequired[
            Annotated[Literal[True], "The value in AWS allows something that the file doesn't. Absent for no."]
        ],
    },
)


class PlanStep(TypedDict):
    """What is done with one resource."""

    action: Annotated[Action, "What `apply` does with the resource, unless it is skipped."]
    kind: Annotated[str, "The kind of resource. KIND.NAME is its address."]
    name: Annotated[Text, "The resource's name in AWS; of an object BUCKET/KEY, of an image its repository."]
    changes: Annotated[
        list[PlanChange],
        "The fields that differ; those that narrow a widened access come first. Empty for `none` and `delete`.",
    ]
    reason: NotRequired[Annotated[Text, "Why it is replaced and not updated."]]
    held: NotRequired[Annotated[Text, "Why `apply` skips this step now, and which option would let it do it."]]
    note: NotRequired[Annotated[Text, "A note, for example that the resource isn't this deploy's."]]


# What the types of a step don't say.
STEP_RULES = [
    {
        "if": {"properties": {"action": {"enum": ["none", "delete"]}}},
        "then": {"properties": {"changes": {"maxItems": 0}}},
    },
    {"if": {"properties": {"action": {"const": "replace"}}}, "then": {"required": ["reason"]}},
]


class PlanSummary(TypedDict):
    """How many steps there are of each action."""

    create: Count
    update: Count
    replace: Count
    delete: Count
    adopt: Count
    none: Count


class PlanData(TypedDict):
    """What was found of data that is in S3 already."""

    place: Annotated[Text, "The object or folder, as an S3 URI."]
    objects: Count
    bytes: Count
    newest: Annotated[str | None, "The time of the last change, in UTC; null if there is no object."]
    content: Annotated[
        str, "A hash of keys, sizes and ETags, a part of a run's fingerprint. Empty where it couldn't be read."
    ]
    trouble: NotRequired[Annotated[Text, "Why it can't be used. `plan` and `apply` fail then."]]


class PlanObject(TypedDict):
    """A plan, explained in docs/plan-json.md. Within version 1 later versions of the program may add keys; those that
    are here keep their meaning.
    """

    version: Annotated[
        Literal[1], "The version of this format. It is raised when a key is removed or changes its meaning."
    ]
    deploy: Annotated[Text, "The deploy's name, `name` in deploy.yaml."]
    summary: Annotated[PlanSummary, "The number of steps with each action. Every action is a key."]
    steps: Annotated[list[PlanStep], "One step for each resource, in an order in which they can be done."]
    data: NotRequired[
        Annotated[list[PlanData], "The state of `data:` that is in S3 already, in the order of the file."]
    ]
