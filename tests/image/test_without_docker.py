"""Images for processes: what of a Dockerfile is done, what isn't and is said, and what fails as it does in Docker."""

from __future__ import annotations

import sys
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.errors import Interrupted, ReconcilerError, UserError
from reconciler.image.engine import BuildRequest
from reconciler.image.kind import ImageKind
from reconciler.image.source import image_spec
from reconciler.local.docker_engine import local_engine
from reconciler.local.process_engine import ProcessEngine, Start, left_undone
from reconciler.local.process_runner import ProcessRunner
from reconciler.local.runner import ContainerSpec, TaskSpec

OURS = f"python:{sys.version_info[0]}.{sys.version_info[1]}"
HERE = f"Python {sys.version_info[0]}.{sys.version_info[1]} of this machine"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NOT_PYTHON = "it isn't a Python image; programs of this machine are used instead of the image's"
IMPORTS = "import sys\nfor name in sys.argv[1:]:\n    print(name, __import__(name).VERSION)\n"


@dataclass
class Place:
    """A project and an embedded AWS's folder."""

    aws: Aws
    folder: Path
    home: Path
    said: list[str] = field(default_factory=list)

    def files(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def build(self, dockerfile: str, files: Mapping[str, str] | None = None) -> str:
        """The digest of the image."""
        self.files({"Dockerfile": dockerfile, **(files or {})})
        kind = ImageKind(ProcessEngine(self.home, self.aws), self.said.append)
        want = image_spec("trainer", self.folder)[0]
        kind.create(self.aws, want)
        return str(kind.observe(self.aws, [want])["trainer"].attributes["digest"])

    def undone(self, dockerfile: str, files: Mapping[str, str] | None = None) -> list[str]:
        return left_undone(self.home / "images", self.build(dockerfile, files))

    def run(self, digest: str, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """The exit code and the output of a task."""
        runner = ProcessRunner(self.home / "images", lambda *asked: digest)
        image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/trainer@{digest}"
        task = TaskSpec("t1", "arn", "123456789012", "us-east-1", "http://127.0.0.1:1", self.home / "task", None, None)
        container = ContainerSpec("main", image, None, command or None, environment or {}, None, None, 5.0)
        parts: list[bytes] = []
        runner.pull(task, container)
        try:
            code = runner.start(task, container, parts.append).wait().code
        finally:
            runner.remove(task)
        return code, b"".join(parts).decode()


@pytest.fixture
def place(aws: Aws, tmp_path: Path) -> Place:
    return Place(aws, tmp_path / "a project", tmp_path / "home")


NOT_KNOWN = [
    ("RNU pip install x", "unknown instruction RNU", "write RUN"),
    ("FROM a AS b\nCOPIE x y\nFROM a", "unknown instruction COPIE", "write COPY"),
    ("hello world", "unknown instruction HELLO", ""),
    ("COPY --form=build x y", "unknown flag --form", "it knows --chmod, --chown, --exclude, --from, --link, --parents"),
    ("ADD --from=build x y", "unknown flag --from", "it knows"),
    ("RUN --mounts=type=cache true", "unknown flag --mounts", "it knows --device, --mount, --network, --security"),
    ("WORKDIR --x /y", "unknown flag --x", "it knows none"),
    ("WORKDIR", "nothing follows it", "write what WORKDIR"),
    ("ARG", "nothing follows it", "ARG"),
    ("user  ", "nothing follows it", "USER"),
    ("SHELL /bin/bash -c", "not a JSON list", 'SHELL ["/bin/bash", "-c"]'),
    ("COPY", "nothing follows it", "COPY"),
    ("COPY train.py", "it names no destination", "the destination"),
    ('COPY ["train.py"]', "it names no destination", "the destination"),
]


@pytest.mark.parametrize(("line", "why", "hint"), NOT_KNOWN)
def test_what_no_builder_would_do_is_not_left_out_silently(line: str, why: str, hint: str, place: Place) -> None:
    with pytest.raises(UserError, match=why) as raised:
        place.build(f'FROM {OURS}\n{line}\nCMD ["python", "-V"]\n', {"train.py": ""})
    assert hint in raised.value.hint


def test_all_that_a_builder_knows_is_taken(place: Place) -> None:
    lines = ("HEALTHCHECK --interval=5s CMD true", "ONBUILD COPY --form=x a b", "COPY --link --chmod=644 x /y",
             "LABEL a=b", "EXPOSE 80", "VOLUME /x", "SHELL [\"/bin/sh\", \"-c\"]", "MAINTAINER me",
             "STOPSIGNAL SIGTERM", "ADD --unpack=false x /z", "ARG A", "user 1:1")  # fmt: skip
    place.build("\n".join([f"FROM {OURS}", *lines, 'CMD ["python", "-V"]']), {"x": ""})


def wheel(folder: Path, name: str, version: str = "1.0") -> None:
    """A wheel with one module, which says its version."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        made.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that pip looks in, said in its own settings."""
    folder = tmp_path / "wheels"
    for name, version in (("alpha", "1.0"), ("alpha", "2.0"), ("beta", "1.0")):
        wheel(folder, name, version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_what_is_not_done_is_listed(place: Place) -> None:
    assert place.undone(
        "FROM python:2.7 AS build\nRUN make it\nFROM python:3.10\nRUN exit 3\nRUN apt-get update && \\\n"
        "  apt-get install -y gcc\nCOPY a.py /\nCOPY --from=build /x /x\nADD https://a.example/b /b\nUSER 1000\n"
        'STOPSIGNAL SIGINT\nRUN <<EOF\napt-get update\n\n  apt-get install -y  jq\nEOF\nCMD ["python", "/a.py"]\n',
        {"a.py": "print('ran')"},
    ) == [
        "line 2: RUN make it",
        f"line 3: FROM python:3.10: {HERE} runs the program",
        "line 4: RUN exit 3",
        "line 5: RUN apt-get update && apt-get install -y gcc",
        "line 8: COPY --from=build /x /x: only the base image of stage build or a line that isn't done can have it",
        "line 9: ADD https://a.example/b /b",
        "line 10: USER 1000",
        "line 11: STOPSIGNAL SIGINT",
        "line 12: RUN <<EOF apt-get update; apt-get install -y jq",
        f"the image's packages: the program uses those of {HERE}",
    ]


def test_nothing_is_listed_where_all_is_done(place: Place) -> None:
    assert place.undone(f"FROM {OURS}\nWORKDIR /app\nCOPY . .\nEXPOSE 80\nCMD python a.py\n", {"a.py": ""}) == []


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ("node:20", f"line 1: FROM node:20: {NOT_PYTHON}"),
        ("ubuntu", f"line 1: FROM ubuntu: {NOT_PYTHON}"),
        ("python:3", f"line 1: FROM python:3: {HERE} runs the program, not the one in the image"),
    ],
)  # fmt: skip
def test_another_base_is_listed(place: Place, base: str, line: str) -> None:
    assert place.undone(f'FROM {base}\nCOPY a.sh /\nCMD ["sh", "/a.sh"]\n', {"a.sh": "true"})[0] == line


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("COPY nothere.py .", "there is no nothere.py in"),
        ("ADD src/nothere.py /x", "there is no src/nothere.py in"),
        ("COPY a.py nothere /x/", "there is no nothere in"),
        ("COPY secret.txt .", ".dockerignore names it"),
        ("COPY --from=empty /x /x", "correct the path"),
    ],
)
def test_a_copy_of_what_is_not_there_fails_before_anything_is_made(place: Place, line: str, hint: str) -> None:
    files = {"a.py": "", "secret.txt": "", ".dockerignore": "secret.txt\n"}
    with pytest.raises(UserError, match=r"Dockerfile:3: (COPY|ADD) .*isn't in") as error:
        place.build(f"FROM scratch AS empty\nFROM {OURS}\n{line}\n", files)
    assert hint in error.value.hint
    assert not list((place.home / "images").glob("*"))


def test_a_copy_of_what_the_folder_above_has_names_the_context(place: Place) -> None:
    (place.folder.parent / "src").mkdir()
    with pytest.raises(UserError) as error:
        place.build(f"FROM {OURS}\nCOPY src src\n", {"a.py": ""})
    assert error.value.hint.endswith("make that image.context, and name the Dockerfile in image.dockerfile")


def test_folders_patterns_archives_and_modes_are_copied_as_docker_does(place: Place, tmp_path: Path) -> None:
    (place.folder / "empty").mkdir(parents=True)
    digest = place.build(
        f'FROM {OURS}\nCOPY empty /empty\nCOPY none*.py /none/\nCOPY --chmod=755 run.sh /bin/run\nCMD ["/bin/run"]\n',
        {"run.sh": "#!/bin/sh\necho it ran\n"},
    )
    assert (place.home / "images" / digest.removeprefix("sha256:") / "rootfs/empty").is_dir()
    assert place.run(digest) == (0, "it ran\n")


@pytest.mark.parametrize(
    "start",
    [
        'CMD ["python", "/train.py", "--config=/etc/train/config.txt"]',
        'ENTRYPOINT ["python", "/train.py"]\nCMD ["--config", "/etc/train/config.txt"]',
        "CMD python /train.py --config /etc/train/config.txt",
        "CMD exec python '/train.py' --config \"/etc/train/config.txt\"",
        'CMD ["/run.sh"]',
        'CMD ["/usr/local/bin/python3", "/train.py", "--config=/etc/train/config.txt"]',
        'WORKDIR /elsewhere\nENV CONFIG=/etc/train/config.txt PYTHONPATH=/lib/x:/code\nCMD ["python", "-m", "module"]',
    ],
)
def test_absolute_paths_of_the_image_are_found(place: Place, start: str) -> None:
    program = (
        "import os, sys\nwords = [w.removeprefix('--config=') for w in sys.argv[1:] if w != '--config']\n"
        "print(open((words or [os.environ['CONFIG']])[0]).read())\n"
    )
    digest = place.build(
        f"FROM {OURS}\nCOPY train.py run.sh /\nCOPY train.py /code/module.py\nCOPY config.txt /etc/train/\n{start}\n",
        {"train.py": program, "config.txt": "found", "run.sh": '#!/bin/sh\nexec python "$(dirname "$0")/train.py" '
         '"$(dirname "$0")/etc/train/config.txt"\n'},
    )  # fmt: skip
    if '"/run.sh"' in start:
        rootfs = place.home / "images" / digest.removeprefix("sha256:") / "rootfs"
        (rootfs / "run.sh").chmod(0o755)
    assert place.run(digest) == (0, "found\n")


def test_packages_are_installed_once_for_each_set(place: Place, wheels: Path) -> None:
    text = f'FROM {OURS}\nWORKDIR /app\nCOPY r.txt .\nRUN pip install -r r.txt\nCOPY . .\nCMD ["python", "p.py"]\n'
    digest = place.build(text, {"p.py": IMPORTS, "r.txt": "alpha==1.0\n"})
    assert place.run(digest, "python", "p.py", "alpha") == (0, "alpha 1.0\n")
    assert place.run(digest, "python", "p.py", "pydantic")[0] == 1  # which this machine's Python has
    assert left_undone(place.home / "images", digest) == []
    (first,) = environments(place)
    place.said.clear()
    digest = place.build(text, {"p.py": IMPORTS + "print('changed')\n"})
    assert environments(place) == [first]
    assert any("installs are in" in line for line in place.said)
    with pytest.raises(UserError, match=r"No such file or directory: 'more\.txt'"):  # it is copied only after that
        place.build(text, {"r.txt": "-r more.txt\n", "more.txt": "alpha\nbeta\n"})
    digest = place.build(text.replace("COPY r.txt", "COPY *.txt"))
    assert place.run(digest, "python", "p.py", "alpha", "beta") == (0, "alpha 2.0\nbeta 1.0\nchanged\n")
    assert len(environments(place)) == 2


def test_links_of_the_context_lead_an_installation_to_no_file_of_this_machine(
    place: Place, wheels: Path, tmp_path: Path
) -> None:
    place.files({"requirements/inner.txt": "-r linked.txt\n", "in/r.txt": "alpha\n"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "r.txt").write_text("alpha\n")
    (place.folder / "folder").symlink_to(outside)
    (place.folder / "loop").symlink_to("loop")
    (place.folder / "within").symlink_to("in")
    (place.folder / "requirements/linked.txt").symlink_to(outside / "r.txt")
    for source, is_done in (("folder/r.txt", False), ("loop/r.txt", False), ("within/r.txt", True)):
        line = f"RUN --mount=type=bind,source={source},target=/r.txt pip install -r /r.txt"
        assert place.undone(f"FROM {OURS}\n{line}\n")[:1] == (
            [] if is_done else [f"line 2: {line}" + ": a link leads to itself" * ("loop" in source)]
        )
    line = "RUN --mount=type=bind,source=in,target=/c/loop pip install -r /c/loop/r.txt"
    assert place.undone(f"FROM {OURS}\nCOPY . /c\n{line}\n")[:1] == [f"line 3: {line}: a link leads to itself"]
    for name, missing in (("linked.txt", "linked.txt"), ("inner.txt", "linked.txt"), ("../folder/r.txt", "r.txt")):
        with pytest.raises(UserError, match=rf"Could not open requirements file: .*{missing}"):
            place.build(f"FROM {OURS}\nCOPY . /c\nWORKDIR /c/requirements\nRUN pip install -r {name}\n")


def environments(place: Place) -> list[Path]:
    return sorted(path for path in (place.home / "environments").iterdir() if path.is_dir())


@pytest.mark.parametrize(
    "text",
    [
        "RUN pip install --upgrade pip && pip3 install --no-cache-dir alpha==1.0 beta",
        "RUN python -m pip install -U 'alpha<2'\nRUN set -e; pip install beta",
        "COPY c.txt .\nRUN pip install -c c.txt alpha beta",
        "RUN --mount=type=cache,target=/root/.cache/pip pip install alpha==1.0 beta",
        "RUN --mount=type=bind,source=r.txt,target=r.txt pip install -r r.txt",
        "RUN --mount=type=bind,source=r.txt,target=/tmp/r.txt pip install -r /tmp/r.txt",
        'RUN ["pip", "install", "alpha==1.0", "beta"]',
        "ARG WANTED=1.0\nRUN pip install alpha==$WANTED && pip install beta",
        "COPY wheels /wheels\nRUN pip install --no-index --find-links=/wheels alpha==1.0 beta",
        "COPY . .\nRUN pip install -e . && pip check",
    ],
)
def test_the_usual_forms_of_pip(place: Place, wheels: Path, text: str) -> None:
    wheel(wheels, "setuptools", "99")
    place.files({"wheels/x": ""})
    for name in ("alpha-1.0", "beta-1.0"):
        (place.folder / f"wheels/{name}-py3-none-any.whl").write_bytes(
            (wheels / f"{name}-py3-none-any.whl").read_bytes()
        )
    if "-e ." in text:
        backend(place)
    lines = f'FROM {OURS}\nWORKDIR /app\n{text}\nCOPY p.py .\nCMD ["python", "p.py", "alpha", "beta"]\n'
    digest = place.build(lines, {"p.py": IMPORTS, "r.txt": "alpha==1.0\nbeta\n", "c.txt": "alpha==1.0\n"})
    assert place.run(digest) == (0, "alpha 1.0\nbeta 1.0\n")
    assert left_undone(place.home / "images", digest) == []


def backend(place: Place) -> None:
    """A project that needs alpha and beta, built by a backend of its own."""
    place.files({
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "mine"\nversion = "1"\n',
        "backend.py": "import zipfile\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        "    name = 'mine-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(folder + '/' + name, 'w') as made:\n"
        "        for file, text in {'METADATA': 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n'\n"
        "            'Requires-Dist: alpha==1.0\\nRequires-Dist: beta\\n', 'RECORD': '',\n"
        f"            'WHEEL': {WHEEL!r}}}.items():\n"
        "            made.writestr('mine-1.dist-info/' + file, text)\n"
        "    return name\n",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("copied", "start"),
    [
        ("COPY --from=build /opt/venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH", '["python", "p.py", "alpha"]'),
        ("COPY --from=build /opt/venv /venv", '["/venv/bin/python", "p.py", "alpha"]'),
        ("COPY --from=0 /opt/venv /opt/venv", '["/opt/venv/bin/python3", "/app/p.py", "alpha"]'),
    ],
)
def test_an_environment_of_an_earlier_stage(place: Place, wheels: Path, copied: str, start: str) -> None:
    digest = place.build(
        f"FROM {OURS} AS build\nRUN python -m venv /opt/venv\nRUN /opt/venv/bin/pip install alpha\n"
        f"FROM {OURS}\n{copied}\nWORKDIR /app\nCOPY p.py .\nCMD {start}\n",
        {"p.py": IMPORTS},
    )
    assert place.run(digest) == (0, "alpha 2.0\n")
    assert left_undone(place.home / "images", digest) == []


def test_what_can_not_be_installed_fails_with_pips_own_words(place: Place, wheels: Path) -> None:
    with pytest.raises(
        ReconcilerError, match=r"^line 2 of the Dockerfile, RUN pip install gamma==3, failed [^\n]*gamma==3[^\n]*$"
    ):
        place.build(f"FROM {OURS}\nRUN pip install gamma==3\n")
    assert not [path for path in (place.home / "images").iterdir() if path.name != "lock"]
    assert not list((place.home / "environments").glob("*.whole"))
    wheel(wheels, "gamma", "3")
    digest = place.build(f"FROM {OURS}\nRUN pip install gamma==3\nCOPY p.py /\n", {"p.py": IMPORTS})
    assert place.run(digest, "python", "/p.py", "gamma") == (0, "gamma 3\n")


def test_an_interrupted_installation_leaves_nothing(place: Place, wheels: Path) -> None:
    place.files({"Dockerfile": f"FROM {OURS}\nRUN pip install gamma==3\n"})  # which would fail, were it not stopped
    inputs = image_spec("trainer", place.folder)[0].build.inputs()
    request = BuildRequest(inputs, "x", is_interrupted=lambda: True)
    with pytest.raises(Interrupted):
        ProcessEngine(place.home, place.aws).build(request, place.said.append)
    assert not list((place.home / "images").iterdir())
    assert not list((place.home / "environments").glob("*.whole"))


def test_a_lock_of_hashes_is_honoured(place: Place, wheels: Path) -> None:
    text = f"FROM {OURS}\nCOPY lock.txt p.py /\nRUN pip install --require-hashes -r /lock.txt\n"
    with pytest.raises(ReconcilerError, match=r"(?i)hash"):
        place.build(text, {"p.py": IMPORTS, "lock.txt": f"alpha==1.0 --hash=sha256:{'0' * 64}\n"})


def test_a_half_made_or_foreign_environment_is_never_used(place: Place, wheels: Path) -> None:
    text = f"FROM {OURS}\nCOPY p.py /\nRUN pip install alpha\n"
    place.build(text, {"p.py": IMPORTS})
    (made,) = environments(place)
    planted = made.with_name("planted")
    made.rename(planted)  # another folder at its place, as a checkout would bring one
    made.mkdir()
    digest = place.build(text, {"p.py": IMPORTS + "\n"})
    assert place.run(digest, "python", "/p.py", "alpha") == (0, "alpha 2.0\n")
    made.with_name(f"{made.name}.whole").unlink()
    for module in made.glob("lib/*/site-packages/alpha.py"):
        module.write_text("VERSION = 'half'\n")
    digest = place.build(text, {"p.py": IMPORTS + "\n\n"})
    assert place.run(digest, "python", "/p.py", "alpha") == (0, "alpha 2.0\n")


def test_two_builds_at_once_share_one(place: Place, wheels: Path) -> None:
    text = f"FROM {OURS}\nCOPY p.py /\nRUN pip install alpha\n"
    place.files({"Dockerfile": text, "p.py": IMPORTS})
    engine = ProcessEngine(place.home, place.aws)
    made: list[str] = []

    def build() -> None:

        made.append(
            engine.build(BuildRequest(image_spec("trainer", place.folder)[0].build.inputs(), "x"), place.said.append)
        )

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert len(made) == 3
    assert len(environments(place)) == 1
    assert len([line for line in place.said if line.startswith("RUN ")]) == 1


@pytest.mark.parametrize(
    ("text", "start", "reason"),
    [
        ('FROM node:20\nCMD ["node", "index.js"]', Start(), "`node`, Node.js"),
        ("FROM node:20\nCMD node index.js", Start(), "`node`, Node.js"),
        ("FROM node:20\nCMD exec npm start", Start(), "`npm`, Node.js"),
        ("FROM node:20", Start(), "Node.js"),
        (f"FROM {OURS}\nCMD python x.py", Start(command=["node", "x.js"]), "`node`, Node.js"),
        ('FROM golang AS b\nRUN go build\nFROM scratch\nCOPY --from=b /x /x\nCMD ["/x"]', Start(), "`x`, Go"),
        ('FROM eclipse-temurin:21\nENTRYPOINT ["java", "-jar", "x.jar"]', Start(), "`java`, Java"),
        ('FROM debian\nENTRYPOINT ["tini", "--", "Rscript", "x.R"]', Start(), "`Rscript`, R"),
    ],
)
def test_what_is_not_python_is_told_before_anything_is_made(place: Place, text: str, start: Start, reason: str) -> None:
    place.files({"Dockerfile": text})
    image = image_spec("trainer", place.folder)[0]
    with pytest.raises(UserError, match="this image isn't Python: it needs Docker or Podman") as error:
        local_engine(place.home, place.aws, {}, choice="process", start=start, image=image)
    assert reason in error.value.message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('FROM alpine\nCMD ["/bin/sh", "-c", "echo ok"]', Start()),
        ("FROM debian:12\nCMD A=1 sh run.sh", Start()),
        ("FROM node:20\nCMD node x.js", Start(entrypoint=["python"], command=["x.py"])),
        ("FROM ubuntu\nRUN apt-get install -y python3\nCMD python3 x.py", Start()),
        (f"FROM node AS web\nRUN npm run build\nFROM {OURS}\nCOPY --from=web /dist /dist\nCMD gunicorn app", Start()),
        ("FROM mycompany/trainer:1\nCMD train", Start()),
    ],
)
def test_what_may_run_as_a_process_is_not_refused(place: Place, text: str, start: Start) -> None:
    place.files({"Dockerfile": text})
    image = image_spec("trainer", place.folder)[0]
    assert local_engine(place.home, place.aws, {}, choice="process", start=start, image=image).name.startswith(
        "process"
    )


def test_the_engine_that_is_asked_for(place: Place, tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path)}
    for choice, variable in (("process", "docker"), ("auto", "docker"), ("", "auto"), ("", "process")):
        env = {**nothing, "RECONCILER_LOCAL_ENGINE": variable}
        assert isinstance(local_engine(place.home, place.aws, env, choice=choice), ProcessEngine)
    with pytest.raises(UserError, match="--engine docker, but no Docker"):
        local_engine(place.home, place.aws, nothing, choice="docker")
    with pytest.raises(UserError, match="RECONCILER_LOCAL_ENGINE=docker, but no Docker"):
        local_engine(place.home, place.aws, {**nothing, "RECONCILER_LOCAL_ENGINE": "docker"})
    with pytest.raises(UserError, match="RECONCILER_LOCAL_ENGINE='podman' is unknown"):
        local_engine(place.home, place.aws, {**nothing, "RECONCILER_LOCAL_ENGINE": "podman"})
