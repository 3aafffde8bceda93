"""What the name of a base image says about the programs in it. Pure.

Without a container engine nothing of a base image is there, so its name is all that can be known of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

VERSION = re.compile(r"(?:^|[^\d.])(3\.\d+)(?:\.\d+)?(?=$|[^\d.])")
PYTHON_TAG = re.compile(r"(?:python|py)-?(3\.\d+)")
# Images whose name doesn't say Python, and which have it with packages of their own.
WITH_PYTHON = (
    "miniconda", "anaconda", "mambaforge", "miniforge", "micromamba", "pytorch", "tensorflow", "jupyter", "jax",
    "sagemaker", "scipy", "datascience", "pyspark", "rapidsai", "huggingface", "uv",
)  # fmt: skip
LONG = 4  # letters: a shorter name must be the whole part
SYSTEMS = (
    "alpine", "debian", "ubuntu", "busybox", "fedora", "centos", "rockylinux", "almalinux", "amazonlinux", "archlinux",
    "opensuse", "buildpack-deps", "bash", "oraclelinux", "ubi", "ubi-minimal", "cuda", "bitnami/minideb",
)  # fmt: skip
LANGUAGES = {
    "node": "Node.js", "bun": "Bun", "deno": "Deno", "golang": "Go", "rust": "Rust", "ruby": "Ruby", "php": "PHP",
    "perl": "Perl", "openjdk": "Java", "eclipse-temurin": "Java", "amazoncorretto": "Java", "maven": "Java",
    "gradle": "Java", "julia": "Julia", "r-base": "R", "r-ver": "R", "swift": "Swift", "erlang": "Erlang",
    "elixir": "Elixir", "haskell": "Haskell", "clojure": "Clojure", "dart": "Dart", "gcc": "C", "sdk": ".NET",
    "aspnet": ".NET", "runtime": ".NET", "postgres": "PostgreSQL", "mysql": "MySQL", "redis": "Redis",
    "nginx": "nginx", "spark": "Spark", "nodejs": "Node.js", "java": "Java", "corretto": "Java", "httpd": "httpd",
}  # fmt: skip


class Has(Enum):
    """What is in a base image, as far as its name says."""

    PYTHON = "Python"
    OTHER = "a program or language other than Python"
    SYSTEM = "a shell and the tools of a system"
    NOTHING = "nothing"
    UNKNOWN = "who knows"


@dataclass(frozen=True)
class Base:
    """A base image. python: its version, such as 3.12, where the name says it. language: the other language, for
    people.
    """

    has: Has
    python: str = ""
    language: str = ""


def base_of(name: str) -> Base:
    """What an image is, by its name: registry, tag and digest may be in it or not."""
    repository, tag = _parts(name)
    words = repository.split("/")
    last = words[-1]
    if name.lower() == "scratch":
        return Base(Has.NOTHING)
    if match := PYTHON_TAG.search(tag):
        return Base(Has.PYTHON, match[1])
    if last in ("python", "python3") or last.startswith("python"):
        inside = PYTHON_TAG.search(last) or VERSION.search(tag)
        return Base(Has.PYTHON, inside[1] if inside else "")
    parts = re.split(r"[-_/.]", repository)
    if any(word in (part if len(word) > LONG else (part,)) for word in WITH_PYTHON for part in parts):
        return Base(Has.PYTHON)
    if last in LANGUAGES or last.split("-")[0] in LANGUAGES:
        return Base(Has.OTHER, language=LANGUAGES.get(last) or LANGUAGES[last.split("-")[0]])
    if last in SYSTEMS or last.removesuffix("-slim") in SYSTEMS:
        return Base(Has.SYSTEM)
    return Base(Has.UNKNOWN)


def _parts(name: str) -> tuple[str, str]:
    """The repository without its registry, and the tag."""
    reference = name.partition("@")[0].lower()
    path, _, last = reference.rpartition("/")
    repository, _, tag = last.partition(":")
    first, _, rest = path.partition("/")
    if "." in first or ":" in first or first == "localhost":
        path = rest
    return f"{path}/{repository}" if path else repository, tag
