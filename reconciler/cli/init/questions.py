"""The few questions of `init` at a terminal, each with what was found as the answer to Enter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.cli.init.files import Answers
from reconciler.cli.terminal import Terminal
from reconciler.config import names as rules
from reconciler.core.given_data import SCHEME


def ask(
    terminal: Terminal,
    folder: Path,
    answers: Answers,
    *,
    name: str | None,
    region: str | None,
    data: str | None,
    github: str | None,
) -> Answers:
    """The answers; what the command line gave already isn't asked for.

    Enter gives what was found, and so does the end of the input; a wrong one is asked for again.
    """

    def answer_to(label: str, default: str, given: str | None, problem: Callable[[str], str | None]) -> str:
        if given:
            return default
        try:
            while True:
                answer = terminal.ask(f"{label} [{default or 'none'}]: ") or default
                if not answer or not (wrong := problem(answer)):
                    return answer
                terminal.note(terminal.fold("  ", wrong))
        except EOFError:
            return default

    def file(path: str) -> str | None:
        exists = path.startswith(SCHEME) or (folder / path).exists() or path in answers.data
        return None if exists else f"there is no such file in {folder.resolve()}"

    return Answers(
        name=answer_to("Name", answers.name, name, rules.DEPLOY.problem),
        region=answer_to("AWS region", answers.region, region, rules.REGION.problem),
        account=answers.account,
        data=answers.data
        if len(answers.data) > 1
        else _one_file(answer_to("Data file", "".join(answers.data), data, file)),
        image=answers.image,
        dockerfile=answers.dockerfile,
        uri=answers.uri,
        repository=answer_to("GitHub repository, OWNER/NAME", answers.repository, github, rules.GITHUB.problem),
        branch=answers.branch,
        project=answers.project,
        url=answers.url,
    )


def _one_file(path: str) -> tuple[str, ...]:
    return (path,) if path else ()
