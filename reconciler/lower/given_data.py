"""Data that is in S3 already: read by listing, never written, and what the program may do with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from reconciler.aws.calls import Aws, Waiting
from reconciler.config import Deploy
from reconciler.config.resource_names import Names
from reconciler.core.canonical import allow
from reconciler.core.errors import AwsError, Denied, Gone
from reconciler.core.given_data import OTHER_BUCKET, OWN_BUCKET, GivenData, Listing, Place
from reconciler.core.pages import pages
from reconciler.permissions import keys

MOST = 1_000_000  # objects: a thousand requests, one after the other
OPTIONAL = ["RestoreStatus"]  # whether what is in an archive can be read for now
EMBEDDED = "into the embedded AWS, which `python -m reconciler local env` leads to"


def read_given_data(aws: Aws, deploy: Deploy) -> list[GivenData]:
    """What is there, in the order of the file: a request for each thousand objects. What is wrong with it is in it.

    Raises AwsError where S3 can't be asked at all.
    """
    return aws.each(partial(_told, aws), [file.place for file in deploy.data.given])


def checked(names: Names, data: GivenData) -> GivenData:
    """The data with a note of what is wrong, if its bucket is the deploy's own."""
    return _no_use(data.place, OWN_BUCKET, OTHER_BUCKET) if data.place.bucket == names.bucket else data


def statements(names: Names) -> Iterator[dict[str, Any]]:
    """What lets the program read it, and nothing beside it."""
    region, partition = names.deploy.region, names.facts.partition
    for number, file in enumerate(names.deploy.data.given, 1):
        bucket, objects = file.place.arns(partition)
        yield allow(f"ReadGiven{number}", "s3:GetObject", objects)
        yield allow(f"ListGiven{number}", "s3:ListBucket", bucket, file.place.prefixes)
        if file.kms_key:
            yield keys.use(file.kms_key, [keys.DECRYPT], keys.through("s3", region), f"KeyGiven{number}")


def read_place(aws: Aws, place: Place) -> GivenData:
    """What is there. Raises AwsError."""
    if place.is_folder:
        return _listed(aws, place)
    # Of all keys that begin with a key, S3 lists that one first.
    answer = _page(aws, place, MaxKeys=1)
    if isinstance(answer, GivenData):
        return answer
    first = answer.get("Contents", [])
    if first and first[0]["Key"] == place.path:
        return _data_of(_with(Listing(place), first))
    return _listed(aws, Place(place.bucket, f"{place.path}/"))


def _told(aws: Aws, place: Place) -> GivenData:
    """What is there, or why that can't be used."""
    try:
        return read_place(aws, place)
    except Gone:
        fix = f"make it and put the data there (aws s3 cp), or name another; with --local, {EMBEDDED}"
        return _no_use(place, f"there is no bucket {place.bucket}", fix)
    except Denied as error:
        return _no_use(place, f"it may not be listed: {error.reason or error.code}", _rights(place, aws.partition))
    except AwsError as error:
        if error.bucket_region in ("", aws.region):
            raise
        return _no_use(place, *_elsewhere(place, error.bucket_region, aws.region))


def _listed(aws: Aws, place: Place) -> GivenData:
    listing, began = Listing(place), aws.clock.now()

    def page(following: Mapping[str, Any]) -> Any:
        if following and listing.objects >= MOST:
            return _no_use(place, f"it has more than {MOST:,} objects", "name the folders in it that are read")
        if following:
            aws.on_wait(Waiting(f"the listing of {place.uri}", aws.clock.now() - began))
        return _page(aws, place, **following)

    for answer in pages(page, {"ContinuationToken": "NextContinuationToken"}):
        if isinstance(answer, GivenData):
            return answer
        _with(listing, answer.get("Contents", []))
    return _data_of(listing)


def _page(aws: Aws, place: Place, **continuation: Any) -> dict[str, Any] | GivenData:
    """A page of the listing, or what is wrong about where the bucket is."""
    params = {"Bucket": place.bucket, "Prefix": place.path}
    answer = aws.call("s3", "ListObjectsV2", **params, OptionalObjectAttributes=OPTIONAL, **continuation)
    region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", aws.region)
    if region != aws.region:  # botocore follows S3 there
        return _no_use(place, *_elsewhere(place, region, aws.region))
    return answer


def _with(listing: Listing, objects: list[Any]) -> Listing:
    for s3_object in objects:
        listing.add(s3_object)
    return listing


def _data_of(listing: Listing) -> GivenData:
    place = listing.place
    if not listing.objects:
        return _no_use(place, "nothing is there", "put the data there, or write the place where it is")
    if listing.archived:
        problem = f"{listing.archived} is in an archive (Glacier), from which no program reads"
        return _no_use(place, problem, f"restore it first: aws s3api restore-object --bucket {place.bucket} --key …")
    return listing.data()


def _no_use(place: Place, trouble: str, fix: str) -> GivenData:
    return GivenData(place, trouble=f"data: {place.uri}: {trouble}", fix=fix)


def _elsewhere(place: Place, bucket_region: str, deploy_region: str) -> tuple[str, str]:
    problem = f"the bucket {place.bucket} is in {bucket_region}, and the deploy in {deploy_region}"
    return problem, f"write region: {bucket_region}, or copy the data to a bucket in {deploy_region}"


def _rights(place: Place, partition: str) -> str:
    bucket, objects = place.arns(partition)
    return (
        f"allow s3:ListBucket on {bucket} to whoever runs this, and the task's role s3:GetObject on "
        f"{' and '.join(objects)}; a bucket of another account has to allow both in its own policy too"
    )
