"""Why a task failed for what its image lacks: a Python module, a library, a command, a file. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Sequence

from reconciler.core.run_paths import WITH_CHECKPOINT
from reconciler.run.diagnosis import Case, Diagnosis, InOrder, Pattern, find, matching_reason

NO_MODULE = re.compile(r"No module named '?([A-Za-z_]\w{0,200})")
NO_LIBRARY = re.compile(r"(lib[\w.+-]{1,200}): cannot open shared object file")
NO_SCRIPT = r"can't open file '|cannot open /|FileNotFoundError: .*No such file or directory: '/"
PATH = re.compile(r"(?:open file '|cannot open |directory: ')(/?[^':\n]{1,1000})")
NOT_THERE = re.compile(r"no such file or directory|can't open|cannot open|\bENOENT\b|\(os error 2\)", re.IGNORECASE)
QUOTE = re.compile("['\"`\u2018\u2019]")
SEPARATOR = re.compile("[\\s'\"`\u2018\u2019:,()]+")
LAST, MOST = 20, 60  # lines of the log, and parts of a line, that are looked at for a file's name
NAMED = re.compile(
    r"exec: \"([^\"]{1,200})\"|(?:line )?\d{1,9}: (?:exec: )?([^\s:]{1,200}): (?:command )?not found"
    r"|env: \W?([\w./-]{1,200})\W?: No such file"
)
IN_SCRIPT = re.compile(r"([^\s:]{1,500}): (?:line )?(\d{1,9}): ")
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "busybox")
DENIED = re.compile(r"exec: \"([^\"]{1,200})\": permission denied|: ([\w./-]{1,200}): Permission denied\s*$")
UNSET = re.compile(r": (\$?\w{1,200}): (?:unbound variable|parameter (?:null or )?not set)")
PLAIN = re.compile(r"-{0,2}[A-Za-z_./][\w./=-]{0,200}")
PROGRAMS = ("python", "python3", "bash", "sh", "uv", "torchrun", "accelerate", "gunicorn", "jupyter", "make")
OF_DATA = ("USE_S3", "S3_KEY", "S3_PREFIX")
OURS = {
    "USE_S3": "it says that there is data in S3",
    "S3_KEY": "it names the first file of `data:`",
    "S3_PREFIX": "it names the folder, where the first of `data:` is one",
    "S3_BUCKET": "it names the bucket",
    "OUTPUT_URI": "it says where results go",
    "RUN_ID": "it names the run",
    "CHECKPOINT_URI": "it says where the next attempt finds what this one left",
    "RUN_ATTEMPT": "it is the attempt's number",
}  # variables that a task gets, each with what it is for
WITHOUT_DOCKER = "without Docker, these lines of the Dockerfile weren't followed: "


def module(case: Case) -> Diagnosis | None:
    """A Python module or a library that it needs isn't there."""
    hit = find(r"(?:ModuleNotFoundError|ImportError): .*|: No module named \w", case.telling)
    if not hit:
        return None
    text = hit[1]
    if library := NO_LIBRARY.search(text):
        fix = "install the system package that has it, with a RUN of the Dockerfile"
        if case.undone is not None:
            fix = "without Docker no system package is installed: use Docker, or install it on this machine"
        return Diagnosis(f"the library {library[1]} isn't in the image", (text,), fix)
    if "cannot import name" in text:
        fix = "look at the version that the Dockerfile installs, and for a file of yours with the name of the module"
        return Diagnosis("a Python module isn't the one that the program expects", (text,), fix, sure=False)
    name = NO_MODULE.search(text)
    advice = case.advice(name[1]) if name else ""
    fix = advice or "add it to what the Dockerfile installs; `apply` builds the image again"
    if lines := _installs(case):
        fix = f"{_quoted(lines)}; use Docker, or have it installed by a RUN with nothing but pip or uv"
    return Diagnosis("the image lacks a Python module", (text,), fix)


def _installs(case: Case) -> list[str]:
    """The instructions that could have brought something and weren't done."""
    return [line for line in case.undone or () if re.match(r"line \d+: (RUN|COPY|ADD) ", line)]


def _quoted(lines: Sequence[str]) -> str:
    suffix = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{WITHOUT_DOCKER}{lines[0]}{suffix}"


def command(case: Case) -> Diagnosis | None:
    """The program that the task starts, or a script of it, isn't there, or can't be executed."""
    if text := matching_reason(r"no command specified", case):
        fix = 'add one to the Dockerfile, such as `CMD ["python", "train.py"]`, or give task.command'
        return Diagnosis("neither the image nor the task names a command to start", (text,), fix)
    patterns: tuple[Pattern, ...] = (
        r"executable file not found|CannotStartContainer|: (command )?not found$|^\S*env: .{1,200}: No such file",
        InOrder("no such file or directory", "exec"),
        InOrder('exec: "', "permission denied"),
    )
    text = matching_reason(patterns, case)
    if not text and case.exit_code in (126, 127):
        hit = find((*patterns, "permission denied"), case.log)
        text = hit[1] if hit else f"exit code {case.exit_code}, which a shell gives for a command that it can't run"
    if not text:
        return None
    if denied := DENIED.search(text):
        return _not_executable(denied[1] or denied[2], text)
    match = NAMED.search(text)
    program = next(filter(None, match.groups()), "") if match else ""
    if program.startswith("["):
        fix = 'its words need double quotes, as in `CMD ["python", "train.py"]`: without, it is a line for a shell'
        return Diagnosis("CMD or ENTRYPOINT of the Dockerfile isn't the JSON that it looks like", (text,), fix)
    return _absent(case, text, program)


def _absent(case: Case, text: str, program: str) -> Diagnosis:
    """The program of this name isn't there: a script named it, or what starts the task."""
    near = next(iter(difflib.get_close_matches(program, PROGRAMS, 1, 0.75)), "") if program not in PROGRAMS else ""
    place = "task.command or task.entrypoint" if case.command else "CMD or ENTRYPOINT of the Dockerfile"
    cause = "the command isn't in the image, or can't be executed"
    script = IN_SCRIPT.match(text)
    if script and script[1].rpartition("/")[2] not in SHELLS:
        place = f"line {script[2]} of {_inside(script[1])}"
        cause = f"{program}, which {place} starts, isn't in the image"
    fix = f"correct {place}"
    change = ""
    if near:
        fix += f": did you mean `{near}`?"
        if program in case.command:
            words = [near if word == program else word for word in case.command]
            change = f"task:\n  command: [{', '.join(map(_yaml, words))}]"
    elif lines := _installs(case):
        fix = f"{_quoted(lines)}; use Docker, or {fix}"
    elif "/" in program:
        fix = case.in_context(program) or fix
    elif program:
        fix += f", or have the Dockerfile install {program}"
    return Diagnosis(cause, (text,), fix, change)


def _not_executable(name: str, text: str) -> Diagnosis:
    """A file that is there, and may not be started."""
    name = _inside(name)
    interpreter = "python" if name.endswith(".py") else "sh"
    fix = (
        f"make it executable (`chmod +x {name}`; in git `git update-index --chmod=+x {name}`), or name what runs it: "
        f'["{interpreter}", "{name}"]'
    )
    return Diagnosis(f"{name} isn't executable", (text,), fix)


def variable(case: Case) -> Diagnosis | None:
    """A shell with `set -u` ended at a variable that isn't set."""
    matches = [(match, line) for line in case.log[-3:] if (match := UNSET.search(line))]
    if not matches or case.exit_code in (0, None):
        return None
    match, line = matches[-1]
    name = match[1]
    if name.startswith("$"):
        fix = "give it in task.command, or in CMD of the Dockerfile"
        return Diagnosis(f"the script was started without the argument {name}", (line.strip(),), fix)
    if name in OURS:
        return unset_variable(name, (line.strip(),))
    fix = f"give it under task.environment, or let the script do without: ${{{name}:-}}"
    return Diagnosis(f"the variable {name} isn't set", (line.strip(),), fix)


def unset_variable(name: str, evidence: tuple[str, ...]) -> Diagnosis:
    """A variable isn't set that a task of `apply` gets, some only with a setting of deploy.yaml."""
    without = "data:" if name in OF_DATA else "run.checkpoint" if name in WITH_CHECKPOINT else ""
    only = "only a run that `apply` launches has it"
    fix = f"without `{without}` in deploy.yaml there is none" if without else only
    return Diagnosis(f"the variable {name} isn't set", evidence, f"{OURS[name]}: {fix}")


def _yaml(word: str) -> str:
    return word if PLAIN.fullmatch(word) else json.dumps(word)


def file(case: Case) -> Diagnosis | None:
    """A file isn't there: one of the data, of the build context, or the program's own; of a process, also any other
    that is named from the root.
    """
    if case.exit_code == 0:
        return None
    if data := _located(case, case.of_data):
        line, name, fix = data
        return Diagnosis(f"{name} is data, which isn't where the program looked for it", (line,), fix)
    hit = find(NO_SCRIPT, case.telling)
    path = PATH.search(hit[1]) if hit else None
    name = _inside(path[1]) if path else "a file"
    if hit and case.undone is not None and name.startswith("/") and "/rootfs" not in hit[1]:
        fix = (
            "a process has no root of its own: a path from the root is led to the image's files only in CMD, "
            "ENTRYPOINT and variables. In a script or program take one relative to WORKDIR, or use Docker"
        )
        return Diagnosis(f"there is no {name} on this machine, where the program ran without Docker", (hit[1],), fix)
    if context := _located(case, case.in_context):
        line, name, fix = context
        return Diagnosis(f"there is no {name} where the program looked for it", (line,), fix)
    if not hit or "FileNotFoundError" in hit[1]:
        return None
    fix = "COPY it in the Dockerfile, look whether .dockerignore leaves it out, and at WORKDIR"
    return Diagnosis(f"the program's file {name} isn't in the image", (hit[1],), fix)


def _inside(path: str) -> str:
    """A path as the program has it: without that of the folder which is the image's root for a process."""
    return path.rpartition("/rootfs")[2]


def _located(case: Case, advice: Callable[[str], str]) -> tuple[str, str, str] | None:
    """The last line that tells of a file which isn't there and of which more is known, its name, and the advice."""
    for line in reversed(case.telling[-LAST:]):
        if NOT_THERE.search(line):
            for name in _paths(line):
                if fix := advice(name):
                    return line.strip(), name, fix
    return None


def _paths(line: str) -> list[str]:
    """What of a line may be the path of a file: what is between quotes, colons or spaces."""
    parts = [*QUOTE.split(line), *line.split(": "), *SEPARATOR.split(line)]
    candidates = [_inside(part.strip()) for part in parts]
    return [*dict.fromkeys(part for part in candidates if 0 < len(part) < 500)][:MOST]
