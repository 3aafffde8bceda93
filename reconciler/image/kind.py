"""The image as a kind of resource: identified by its repository, equal when the hash of its inputs is.

The hash is kept as the tag `inputs-HASH`, so any machine finds the image that belongs to its files and builds nothing.
The attribute `uri` names the image by digest.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws.calls import Aws
from reconciler.aws.regions import registry
from reconciler.core.clock import interrupted
from reconciler.core.errors import AwsError, ReconcilerError
from reconciler.core.needs import ALL, ANYWHERE, Needs
from reconciler.core.spec import AtLeast, Changes, Local, Observed, Spec, Value, touches
from reconciler.core.wildcard import matches
from reconciler.image.base import BASE_TAG, base_here, base_tag, is_newer
from reconciler.image.engine import BuildRequest, Engine, Login, PushRequest, no_engine
from reconciler.image.in_use import UsedBy, keep_current, marks_of
from reconciler.image.inputs import Inputs, changed, changed_inputs, read_inputs
from reconciler.image.manifest import RECORD, Manifest, get_manifest, put_manifest, record_annotation, record_of, taken
from reconciler.kinds import KINDS, AnyKind, Kind
from reconciler.kinds.ecr_repository import IN_USE

INPUTS_TAG = "inputs-"
PUSHED_TAG = "pushed-"  # what an engine pushes under, until the image has its manifest with the record
OWN_TAGS = (INPUTS_TAG, PUSHED_TAG, BASE_TAG)
UNKNOWN = "unknown"
# The registry asks for these when an engine pushes to it and pulls layers to build on.
REGISTRY = (
    "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
)  # fmt: skip
TAG = ("ecr:PutImage", "ecr:BatchDeleteImage")
PUSH = (*TAG, "ecr:DescribeRepositories", "ecr:GetAuthorizationToken", *REGISTRY)


class Build(Value):
    """How to make the image; of an image that is there, only the record of its inputs."""

    context: str = ""
    dockerfile: str = "Dockerfile"
    target: str | None = None
    build_args: dict[str, str] = Field({})
    platform: str = "linux/amd64"
    leave_out: tuple[str, ...] = ()
    labels: dict[str, str] = Field({})
    compression: str | None = None  # as the user chose it
    zstd: bool = True  # where the engine can
    fixed_tags: bool = False  # a tag can't move to another image, so that none is built for a newer base
    moving_tags: tuple[str, ...] = ()  # but for these patterns
    base: str = ""
    files: dict[str, str] = Field({})

    def inputs(self) -> Inputs:
        """Read the inputs again, now. Raises UserError."""
        return read_inputs(
            Path(self.context),
            self.dockerfile,
            target=self.target,
            build_args=self.build_args,
            platform=self.platform,
            leave_out=self.leave_out,
            compression=self.compression,
        )


MB = 1_000_000
RATE = 50 * MB  # bytes a second: a guess that is said with what follows from it, since AWS gives no rate


class ImageSpec(Spec):
    """One image. `name` is the repository's; `inputs` the hash of all that goes into it."""

    kind: ClassVar[str] = "image"
    data: ClassVar[bool] = True
    volatile: ClassVar[frozenset[str]] = frozenset({"digest", "uri"})
    in_place: ClassVar[frozenset[str]] = frozenset({"tags_wanted", "in_use"})
    part_of: ClassVar[str] = "repository"
    marked: ClassVar[bool] = False

    tags: Annotated[dict[str, str], Local()] = Field({})  # images have none of their own
    inputs: str = ""
    tags_wanted: Annotated[tuple[str, ...], AtLeast()] = ()
    # Tags that name the commit: given when the image is made. A commit that changes no input is no difference.
    tags_once: Annotated[tuple[str, ...], Local()] = ()
    in_use: bool = True  # whether it is marked so, where ECR deletes old images
    used_by: Annotated[UsedBy | None, Local()] = None  # by whom, where ECR does
    build: Annotated[Build, Local()] = Build()

    @property
    def tag(self) -> str:
        """The tag by which an image with these inputs is found."""
        return INPUTS_TAG + self.inputs


def pulled(manifest: Manifest) -> str:
    """What the size of an image means for the start of a task; empty for one of no size, as without a registry.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-pull-behavior.html
    """
    layers = manifest.layers
    if sum(layers) < MB:
        return ""
    size = f"{sum(layers) / MB:.0f} MB {f'with {how}' if (how := manifest.compression) else 'and not compressed'}"
    return (
        f"image size: {size}, {len(layers)} layers, the largest {max(layers) / MB:.0f} MB; each task on Fargate pulls "
        f"and unpacks all of it before it starts, since none is kept: at {RATE / MB:.0f} MB a second the pull alone "
        f"takes {sum(layers) / RATE:.0f} s"
    )


def changed_files(want: ImageSpec, seen: ImageSpec) -> tuple[str, ...]:
    """What differs in the inputs, as `+ new`, `- gone`, `~ changed`; empty when the record of `seen` is unknown."""
    return changed_inputs(seen.build.files, want.build.files) if seen.build.files else ()


class ImageKind(Kind[ImageSpec]):
    """Finds, builds and pushes images. engine: None when nothing has to be built, or none answers."""

    spec: ClassVar[type[Spec]] = ImageSpec
    needs: ClassVar[Needs] = Needs(
        create=PUSH, delete=("ecr:BatchDeleteImage",), fields={"inputs": PUSH, "tags_wanted": TAG, "in_use": TAG},
        read=("ecr:DescribeImages", "ecr:BatchGetImage"), on=("ecr:repository/{name}",),
        elsewhere={"ecr:GetAuthorizationToken": (ANYWHERE,)}, pushed=ALL,
        unseen={**dict.fromkeys(REGISTRY, "asked by the registry when an engine pushes and pulls"),
                "ecr:GetAuthorizationToken": "asked for an engine's login, where there is an engine"},
    )  # fmt: skip
    pattern: ClassVar[str] = r"[a-z0-9][a-z0-9._/-]{1,255}"

    def __init__(self, engine: Engine | None, report: Callable[[str], None]) -> None:
        self._engine = engine
        self._report = report

    def use(self, engine: Engine) -> None:
        """Build with this engine: it is looked for only when something has to be built."""
        self._engine = engine

    def observe(self, aws: Aws, wants: Sequence[ImageSpec]) -> Mapping[str, Observed[ImageSpec]]:
        """The image with the wanted inputs; else the newest, whose record says what has changed since."""
        observed: dict[str, Observed[ImageSpec]] = {}
        for want in wants:
            image = _image_of(aws, want)
            if image is not None:
                older = " on an older base" if _on_older_base(want, image) else ""
                observed[want.name] = _observed(aws, want, image, want.inputs + older, {})
                continue
            newest = max(_own_images(aws, want.name), key=_age, default=None)
            if newest is not None:
                record = record_of(get_manifest(aws, want.name, imageDigest=newest["imageDigest"]))
                observed[want.name] = _observed(aws, want, newest, _inputs_of(newest), record)
        return observed

    def create(self, aws: Aws, want: ImageSpec) -> None:
        """Build it unless the engine has it, push it, then tag it. Raises ReconcilerError."""
        uri = repository_uri(aws, want.name)
        image = _image_of(aws, want)
        is_current = image is not None and not _on_older_base(want, image)
        manifest = get_manifest(aws, want.name, imageTag=want.tag) if is_current else None
        # What keeps it comes first, since an old image may be gone at any time until then.
        mark = [want.used_by.tag(want.inputs)] if want.used_by else []
        tags = [*mark, *want.tags_wanted, *want.tags_once]
        staying = image["imageDigest"] if image is not None and is_current else ""
        marked_images = _own_images(aws, want.name, IN_USE)
        unused = keep_current(aws, want.name, want.used_by, want.inputs, staying, marked_images) if want.used_by else []
        if manifest is None:
            base, manifest = "", self._stopped(aws, want, tags) if want.build.fixed_tags else None
            if manifest is None:
                digest, base = self._push(aws, want, uri)
                manifest = get_manifest(aws, want.name, imageDigest=digest)
            if manifest is None:
                raise ReconcilerError(f"{uri}@{digest} was pushed and isn't in the repository", hint="run it again")
            record = record_annotation(want.build.files)
            if any(manifest.annotations.get(key) != value for key, value in record.items()):
                manifest = manifest.annotated(record)
            other_tags = [*tags, *([base_tag(want.inputs, base)] if base else [])]
            # The tag by which it is found comes last, so that an image that has it is complete wherever this stops.
            for tag in other_tags:
                put_manifest(aws, want.name, manifest, tag)
            if other_tags:
                self._drop_pushed(aws, want, keep=manifest.digest)
            put_manifest(aws, want.name, manifest, want.tag)
            if not other_tags:  # one that has no tag at all would be gone
                self._drop_pushed(aws, want, keep=manifest.digest)
        else:
            for tag in tags:
                put_manifest(aws, want.name, manifest, tag)
        self._untag(
            aws,
            want,
            marks_of(aws, want.name, [candidate for candidate in unused if candidate.digest != manifest.digest]),
        )
        all_tags = (want.tag, *want.tags_wanted, *want.tags_once)
        self._report(f"image {uri}@{manifest.digest}, tagged {', '.join(all_tags)}")
        if size_text := pulled(manifest):
            self._report(size_text)

    def update(self, aws: Aws, want: ImageSpec, seen: Observed[ImageSpec], changes: Changes) -> None:
        """Make another image if the inputs changed, else change only its tags. Raises ReconcilerError."""
        if touches(changes, "inputs", "tags_wanted", "in_use"):
            self.create(aws, want)

    def delete(self, aws: Aws, seen: Observed[ImageSpec]) -> None:
        """Remove every image that was made by this kind; those that others pushed stay. Raises AwsError."""
        name = seen.spec.name
        digests = [{"imageDigest": image["imageDigest"]} for image in _own_images(aws, name, *OWN_TAGS)]
        for start in range(0, len(digests), 100):
            aws.check_interrupted()
            aws.find("ecr", "BatchDeleteImage", repositoryName=name, imageIds=digests[start : start + 100])

    def _stopped(self, aws: Aws, want: ImageSpec, tags: Sequence[str]) -> Manifest | None:
        """The image that a stopped apply left, where tags can't move: it has to be used, since no other can get them.

        Raises ReconcilerError for a tag that another image has, before anything is built.
        """
        record = record_annotation(want.build.files)
        manifest = None
        for tag in tags:
            if not any(matches(pattern, tag) for pattern in want.build.moving_tags):
                tagged = get_manifest(aws, want.name, imageTag=tag)
                if tagged is not None and tagged.annotations.get(RECORD) != record[RECORD]:
                    raise taken(want.name, tag)
                manifest = manifest or tagged
        manifest = manifest or get_manifest(aws, want.name, imageTag=PUSHED_TAG + want.inputs)
        if manifest is not None:
            self._report(f"the image is in {want.name} already, from an apply that was stopped")
        return manifest

    def _push(self, aws: Aws, want: ImageSpec, uri: str) -> tuple[str, str]:
        """The digest of what was pushed, and what it was built on."""
        engine = self._engine
        if engine is None:
            raise no_engine("none was found")
        inputs = want.build.inputs()
        if inputs.hash != want.inputs:
            raise changed(f"since the plan: {', '.join(changed_inputs(want.build.files, inputs.record)[:5])}")
        is_interrupted = partial(interrupted, aws.clock)
        newest = max(_own_images(aws, want.name), key=_age, default=None)
        cache = f"{uri}:{INPUTS_TAG}{_inputs_of(newest)}" if newest else None
        request = BuildRequest(
            inputs,
            want.name,
            want.build.labels,
            cache,
            lambda: ecr_login(aws),
            want.build.base,
            want.build.zstd,
            is_interrupted,
        )
        image = engine.find(request)
        if image is None:
            count, size = len(inputs.entries), inputs.size / 1e6
            self._report(f"building the image with {engine.name}: {count} files, {size:.1f} MB of context")
            image = engine.build(request, self._report)
        else:
            self._report(f"the image is built already ({engine.name})")
        self._report(f"pushing to {uri}")
        tag = PUSHED_TAG + want.inputs
        push = PushRequest(
            want.name, uri, tag, record_annotation(inputs.record), lambda: ecr_login(aws), is_interrupted
        )
        digest = engine.push(image, push, self._report)
        # What is known now: a base that wasn't here before the build may be here after it.
        return digest, base_here(inputs.parsed.bases(inputs.target)) if not want.build.fixed_tags else ""

    def _drop_pushed(self, aws: Aws, want: ImageSpec, keep: str) -> None:
        """Remove the manifest that the engine pushed, if the one with the record is another."""
        tag = PUSHED_TAG + want.inputs
        manifest = get_manifest(aws, want.name, imageTag=tag)
        if manifest is None:
            return
        if manifest.digest == keep:
            self._untag(aws, want, [tag])
        else:
            self._untag(aws, want, [tag], imageDigest=manifest.digest)

    def _untag(self, aws: Aws, want: ImageSpec, tags: Sequence[str], **image_id: str) -> None:
        """Remove these tags, or the image of this id."""
        ids = [image_id] if image_id else [{"imageTag": tag} for tag in tags]
        if not ids:
            return
        try:
            aws.find("ecr", "BatchDeleteImage", repositoryName=want.name, imageIds=ids)
        except AwsError as error:
            self._report(f"the tag {', '.join(tags)} is left in {want.name}: {error.reason}")

    def inside(self, aws: Aws, holder: str) -> Iterable[str]:
        """The image of a repository, which has its name."""
        return (holder,)


EVERY_KIND: tuple[AnyKind, ...] = (*KINDS, ImageKind(None, lambda line: None))  # here without an engine


def inputs_of_digest(aws: Aws, repository: str, uri: str) -> str:
    """The hash of the inputs of the image that `uri` names by digest; empty when that isn't known."""
    digest = uri.partition("@")[2]
    if not digest:
        return ""
    answer = aws.find("ecr", "DescribeImages", repositoryName=repository, imageIds=[{"imageDigest": digest}])
    images = (answer or {}).get("imageDetails") or [{}]
    inputs = _inputs_of(images[0])
    return "" if inputs == UNKNOWN else inputs


def repository_uri(aws: Aws, name: str) -> str:
    """registry/name of a repository that exists. Raises AwsError."""
    repository = aws.call("ecr", "DescribeRepositories", repositoryNames=[name])["repositories"][0]
    return str(repository["repositoryUri"])


def ecr_login(aws: Aws) -> Login:
    """A token for the account's registry, good for twelve hours. Raises AwsError."""
    data = aws.call("ecr", "GetAuthorizationToken")["authorizationData"][0]
    username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return Login(data["proxyEndpoint"].partition("://")[2].rstrip("/"), username, password)


def _image_of(aws: Aws, want: ImageSpec) -> dict[str, Any] | None:
    """What the repository has under the tag of the wanted inputs."""
    answer = aws.find("ecr", "DescribeImages", repositoryName=want.name, imageIds=[{"imageTag": want.tag}])
    return next(iter((answer or {}).get("imageDetails") or ()), None)


def _on_older_base(want: ImageSpec, image: Mapping[str, Any]) -> bool:
    return is_newer(want.build.base, want.inputs, image.get("imageTags", ()))


def _own_images(aws: Aws, repository: str, *prefixes: str) -> Iterator[dict[str, Any]]:
    """The images that carry a tag of ours, each once."""
    try:
        pages = aws.pages(
            "ecr", "DescribeImages", "imageDetails", repositoryName=repository, filter={"tagStatus": "TAGGED"}
        )
        for image in pages:
            if any(tag.startswith(prefixes or (INPUTS_TAG,)) for tag in image.get("imageTags", ())):
                yield image
    except AwsError as error:
        if error.code != "RepositoryNotFoundException":
            raise


def _age(image: Mapping[str, Any]) -> tuple[bool, float]:
    pushed = image.get("imagePushedAt")
    return "latest" in image.get("imageTags", ()), pushed.timestamp() if pushed else 0.0


def _inputs_of(image: Mapping[str, Any]) -> str:
    tags = sorted(tag for tag in image.get("imageTags", ()) if tag.startswith(INPUTS_TAG))
    return tags[0].removeprefix(INPUTS_TAG) if tags else UNKNOWN


def _observed(
    aws: Aws, want: ImageSpec, image: Mapping[str, Any], inputs: str, record: dict[str, str]
) -> Observed[ImageSpec]:
    all_tags = image.get("imageTags", ())
    tags = tuple(sorted(tag for tag in all_tags if not tag.startswith((*OWN_TAGS, IN_USE))))
    in_use = want.used_by is None or any(map(want.used_by.made, all_tags))
    uri = f"{registry(image['registryId'], aws.region)}/{want.name}@{image['imageDigest']}"
    spec = ImageSpec(name=want.name, inputs=inputs, tags_wanted=tags, in_use=in_use, build=Build(files=record))
    return Observed(spec, {"digest": image["imageDigest"], "uri": uri})
