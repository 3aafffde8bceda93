"""Times of answers are read as botocore reads them, in each form that AWS writes them in."""

from __future__ import annotations

import pytest
from botocore.utils import parse_timestamp

from reconciler.aws.clients import _moment, new_session


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30T03:04:05Z", "2026-11-30T03:04:05.678Z", "2026-11-30T03:04:05.678901Z", "2026-11-30T03:04:05+01:00",
        "2026-11-30T03:04:05", "20261130T030405Z", "Mon, 30 Nov 2026 03:04:05 GMT", 1796007845, 1796007845.678,
        "1796007845", "2026-11-30", "Mon Z",
    ],
)  # fmt: skip
def test_it_is_what_botocore_makes_of_it(text: str | float) -> None:
    try:
        expected = parse_timestamp(text)
    except ValueError:
        with pytest.raises(ValueError, match="Mon Z"):
            _moment(text)
        return
    moment = _moment(text)
    assert (moment, moment.utcoffset()) == (expected, expected.utcoffset())


def test_a_session_of_ours_reads_them_so(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("botocore.utils.dateutil.parser.parse", lambda text, **more: read.append(text))
    body = b"<r><Contents><Key>k</Key><LastModified>2026-11-30T03:04:05.000Z</LastModified></Contents></r>"
    session = new_session("a", "b")
    shape = session.get_service_model("s3").operation_model("ListObjectsV2").output_shape
    parser = session.get_component("response_parser_factory").create_parser("rest-xml")
    answer = parser.parse({"status_code": 200, "headers": {}, "body": body}, shape)
    assert answer["Contents"][0]["LastModified"].isoformat() == "2026-11-30T03:04:05+00:00"
    assert read == []
