"""What is in a folder that a pipeline is to be made of: its Dockerfile, its data, its repository. Reads only."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler import version as git
from reconciler.config.names import OBJECT_KEY
from reconciler.config.storage import DataFile
from reconciler.core.errors import UserError
from reconciler.core.plain_json import is_text
from reconciler.image.dockerfile import form, instructions

DATA = (
    ".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".parquet", ".feather", ".arrow", ".avro", ".orc", ".jsonl",
    ".jsonl.gz", ".ndjson", ".npy", ".npz", ".h5", ".hdf5",
)  # fmt: skip
FOLDERS = {"data", "dataset", "datasets", "input", "inputs"}  # in which any file is data, but for programs and texts
NO_DATA = (".py", ".ipynb", ".sh", ".r", ".jl", ".js", ".sql", ".md", ".rst", ".yaml", ".yml", ".toml", ".dvc")
# What else is no data: programs, and what tools read. Anything else may be some.
OTHER_THINGS = re.compile(
    r"[^.]*|.*\.(?:tsx?|jsx|mjs|c|cc|cpp|h|hpp|cu|go|rs|java|kt|scala|pl|rb|lua|ps1|bat|cmd|html?|css|ipynb|rmd|qmd|tex|pdf"
    r"|cfg|ini|conf|properties|lock|tf|tfvars|hcl|mk|in|log|out|err|pid|pyc|pyi|so|dll|whl|egg|dockerfile|svg)"
    r"|(?:readme|license|licence|notice|changelog|authors|copying|requirements|constraints|makefile|dockerfile)\b.*"
    r"|.*requirements.*\.txt|.*package(?:-lock)?\.json|[jt]sconfig\b.*|.*\.schema\.json|cmakelists\.txt",
    re.IGNORECASE,
)
NAMED = 8  # files of data that are named one by one; of more, those of a folder are named together
FEW = 3
DOCKERFILE = re.compile(r"(?:[Dd]ockerfile|Containerfile)(?:\..+)?|.+\.[Dd]ockerfile")
PROGRAMS = ("train.py", "main.py", "app.py", "run.py")
SKIP = {"node_modules", "results", "output", "venv", "env", "build", "dist", "site-packages", "tests", "test"}
DEEP = 2  # folders below the first that are looked at
DEEPER = 5  # and below one that is called as data is
MANY = 5000  # files that are looked at


@dataclass(frozen=True)
class ProjectFacts:
    """Paths are relative to the folder, with `/`.

    dockerfiles: sorted, those nearest first. data: files that look like data; possible_data: those that may be.
    program: a Python program that a Dockerfile could start, or empty. requirements: what pip would install for it.
    root: the folder of the git repository, or the folder itself. repository: OWNER/NAME on GitHub, or empty.
    project: GROUP/PROJECT on gitlab.com, or empty.
    """

    dockerfiles: tuple[str, ...]
    data: tuple[str, ...]
    possible_data: tuple[str, ...]
    program: str
    requirements: str
    root: Path
    repository: str
    project: str
    branch: str


def look(folder: Path) -> ProjectFacts:
    """Look at the folder. Raises OSError when it can't be read."""
    files = [path for _, path in zip(range(MANY), _walk(folder, DEEP), strict=False)]
    relative_names = [path.relative_to(folder).as_posix() for path in files]
    near = sorted(relative_names, key=lambda name: (name.count("/"), name))
    names = set(near)
    root = Path(_git(folder, "rev-parse", "--show-toplevel") or folder)
    origin = _git(folder, "config", "--get", "remote.origin.url")
    head = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    return ProjectFacts(
        dockerfiles=tuple(sorted((name for name in near if _is_dockerfile(name)), key=_less_usual)),
        data=tuple(name for name in near if _is_data(name)),
        possible_data=tuple(name for name in near if not _is_data(name) and _may_be_data(name)),
        program=_program(near),
        requirements=next((name for name in ("requirements.txt", "pyproject.toml") if name in names), ""),
        root=root,
        repository=path_on("github.com", origin, r"[^/\s]+/[^/\s]+?"),
        project=path_on("gitlab.com", origin, r"[^\s]+/[^/\s]+?"),
        branch=head.partition("/")[2] or "main",
    )


def _program(near: Sequence[str]) -> str:
    """The Python program with a usual name, in the folder or in src, or else the only one of the folder."""
    usual = [f"{folder}{name}" for folder in ("", "src/") for name in PROGRAMS]
    alone = [name for name in near if name.endswith(".py") and "/" not in name and name != "setup.py"]
    return next((name for name in usual if name in near), alone[0] if len(alone) == 1 else "")


def entries(folder: Path, data: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `data:` is to name so that all of these files are uploaded, and those whose key another has already, or of
    whose name no key can be made.

    Few files are named one by one; of many, those below one folder are that folder, or patterns where it has programs.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in data:
        top = name.partition("/")[0] if "/" in name and len(data) > NAMED else ""
        groups[top or (f"*{_suffix(name)}" if len(data) > NAMED else "")].append(name)
    entry_by_key: dict[str, str] = {}
    out: list[str] = []
    for group in groups.values():
        for entry, files in _together(folder, group) if len(group) > FEW and len(data) > NAMED else _alone(group):
            key = str(DataFile(file=entry).filled().key) if is_text(entry) else ""
            if not key or key in entry_by_key or OBJECT_KEY.problem(key):
                out += files
            else:
                entry_by_key[key] = entry
    return tuple(entry_by_key.values()), tuple(out)


def _alone(group: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    return ((name, [name]) for name in group)


def _together(folder: Path, group: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    common = os.path.commonpath([str(PurePosixPath(name).parent) for name in group])
    if common not in ("", ".") and all(_is_data(f"data/{path.name}") for path in _walk(folder / common, DEEP)):
        yield f"{common}/", group
        return
    alike: dict[str, list[str]] = defaultdict(list)
    for name in group:
        alike[_suffix(name)].append(name)
    # The most first: all patterns of a folder have the same key.
    for suffix, names in sorted(alike.items(), key=lambda item: -len(item[1])):
        yield f"*{suffix}" if common in ("", ".") else f"{common}/**/*{suffix}", names


def _suffix(name: str) -> str:
    lower = name.lower()
    length = max((len(suffix) for suffix in DATA if lower.endswith(suffix)), default=len(PurePosixPath(name).suffix))
    return name[len(name) - length :]


def _is_data(name: str) -> bool:
    lower = name.lower()
    inside = not FOLDERS.isdisjoint(lower.split("/")[:-1]) and not _is_dockerfile(name)
    return lower.endswith(DATA) or (inside and not lower.endswith(NO_DATA))


def _may_be_data(name: str) -> bool:
    file = name.rpartition("/")[2]
    return not file.lower().endswith(NO_DATA) and not OTHER_THINGS.fullmatch(file)


def _is_dockerfile(name: str) -> bool:
    return DOCKERFILE.fullmatch(name.rpartition("/")[2]) is not None


def _less_usual(name: str) -> tuple[bool, int]:
    return name.rpartition("/")[2] != "Dockerfile", name.count("/")


def context_of(folder: Path, dockerfile: str) -> tuple[str, str]:
    """The build context of a Dockerfile, and the Dockerfile in it: of its folder and those above, up to the project's,
    the nearest in which least of what it copies is missing. dockerfile: relative to the folder.
    """
    path = PurePosixPath(dockerfile)
    sources = _copied((folder / path).read_text(encoding="utf-8", errors="replace"))
    context = min(path.parents, key=lambda parent: sum(not _has(folder / parent, source) for source in sources))
    return str(context), str(path.relative_to(context))


def _copied(text: str) -> list[str]:
    """What a Dockerfile copies from its context, but for what isn't told without building it."""
    sources: list[str] = []
    try:
        for instruction in instructions(text):
            if instruction.name in ("COPY", "ADD") and "from" not in instruction.flags and not instruction.heredocs:
                words = form(instruction.arguments) or instruction.arguments.split()
                sources += [word for word in words[:-1] if "://" not in word and "$" not in word]
    except UserError:
        return []  # whoever builds it will hear of that
    return sources


def _has(context: Path, source: str) -> bool:
    inside = source.lstrip("/").removeprefix("./").rstrip("/")
    if inside in ("", "."):  # a folder that has nothing but the Dockerfile isn't what it copies
        return any(not _is_dockerfile(path.name) for path in context.iterdir() if not path.name.startswith("."))
    try:
        return next(context.glob(inside), None) is not None
    except (ValueError, NotImplementedError, OSError):
        return False


def path_on(host: str, url: str, path: str) -> str:
    """The path of a repository's address, such as OWNER/NAME; empty on any other host. path: its pattern."""
    way = r"(?:https://(?:[^/@]*@)?|ssh://git@|git@|git://)(?:www\.)?"
    match = re.fullmatch(rf"{way}{re.escape(host)}[:/]({path})(?:\.git)?/?", url)
    return match[1] if match else ""


def _walk(folder: Path, deep: int) -> Iterator[Path]:
    """Files of the folder first, so that none of it is hidden by very many in a folder below."""
    dir_entries = sorted(
        (entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=lambda entry: entry.name
    )
    yield from (Path(entry.path) for entry in dir_entries if entry.is_file())
    for entry in dir_entries:
        if deep and entry.name not in SKIP and entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), DEEPER if entry.name.lower() in FOLDERS else deep - 1)


def _git(folder: Path, *arguments: str) -> str:
    try:
        return git.run(folder, *arguments).strip()
    except git.NoAnswer:
        return ""
