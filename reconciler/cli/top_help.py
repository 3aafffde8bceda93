"""The commands with what each does, and the help that lists them. It is printed before anything else is loaded, so that
nothing is imported here.
"""

from __future__ import annotations

import os

DESCRIPTION = "Run a containerised training job on AWS from one file, deploy.yaml."
VERSION = "print the version and the commit"
EPILOG = """\
exit codes: 0 done; 1 failed; 2 wrong input, and nothing was changed;
130 interrupted. `apply` and `watch` exit with the task's exit code,
or with 119 to 124 when the cause is outside the task.
"""
COMMANDS = {
    "init": "write the first files of a project: deploy.yaml, a workflow for GitHub Actions, .dockerignore",
    "plan": "show what `apply` would change; change nothing",
    "apply": "create or update what the file describes, run the task, follow its log",
    "destroy": "delete what `apply` made; data and images only with --delete-data",
    "status": "show the resources and the last runs, on one screen",
    "doctor": "check what a deployment needs: credentials, region, Docker, git, clock",
    "verify": "check in the account that a run will find what it needs; change nothing",
    "permissions": "print the smallest IAM policies that the commands need",
    "show": "print the file with every default filled in",
    "completion": "print a shell script that completes commands and options",
    "cost": "estimate what a run and a month cost, with the calculation",
    "watch": "follow a run: its log, its end, its exit code",
    "logs": "print the log of a run",
    "exec": "open a shell, or run a command, in a running task",
    "stop": "stop the task of a run",
    "diagnose": "say why a run failed and what to do",
    "rollback": "make the schedule and the service use the task definition of an earlier run",
    "runs": "list the runs, show one, compare two, or find the best by a metric",
    "local": "manage the embedded AWS behind --local: status, env, list, stop, reset",
    "recover": "rebuild the record of what this deploy owns, from the tags of the resources",
    "import": "write the deploy.yaml of a deployment that was set up by hand, or of a Copilot job",
    "unlock": "remove the lock of an `apply` that no longer runs",
}
NARROW = 40  # columns that each text has at least


def asked(arguments: list[str]) -> bool:
    """Whether these words ask for this help and for nothing else."""
    return arguments in (["--help"], ["-h"])


def text(program: str, width: int) -> str:
    """The help. width: columns."""
    commands = _table(COMMANDS, 4, width)
    options = _table({"-h, --help": "show this help message and exit", "--version": VERSION}, 2, width)
    return (
        f"usage: {program} [-h] [--version] COMMAND ...\n\n{DESCRIPTION}\n\n"
        f"positional arguments:\n  COMMAND\n{commands}\noptions:\n{options}\n{EPILOG}"
    )


def columns() -> int:
    """What argparse takes for the width of a line: COLUMNS, or else the terminal's, or 80; less two."""
    setting = os.environ.get("COLUMNS", "")
    if setting.isdecimal() and int(setting):
        return int(setting) - 2
    try:
        return (os.get_terminal_size(1).columns or 80) - 2
    except OSError:
        return 78


def _table(rows: dict[str, str], indent: int, width: int) -> str:
    margin = indent + max(map(len, rows)) + 2
    return "".join(
        f"{' ' * indent}{name:{margin - indent}}"
        + f"\n{' ' * margin}".join(_lines(about, max(width - margin, NARROW)))
        + "\n"
        for name, about in rows.items()
    )


def _lines(about: str, width: int) -> list[str]:
    lines = [""]
    for word in about.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
