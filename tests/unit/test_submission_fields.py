"""The parameters, columns and OpenAPI entries that are made from the declared fields."""

from typing import Any

import pytest

from api.http.parameters import Parameters
from api.openapi import openapi_document
from api.submissions.request import Submitter, parse_submissions
from pipeline.catalog.fingerprint.tables import meta
from pipeline.catalog.ingest.tables import submission
from pipeline.submission_fields import COLUMN_FIELDS, METADATA_FIELDS, SUBMISSION_FIELDS

SECONDS = {"type": "number", "minimum": 0.5, "exclusiveMaximum": 32767.5}
KBIT_PER_SECOND = {"type": "integer", "minimum": 0, "maximum": 32767}
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
UUID = {"type": "string", "format": "uuid"}
MBID = "5d1f0c5e-1111-4aaa-8aaa-000000000001"

DOCUMENTED = [
    ("fingerprint", "Chromaprint fingerprint as fpcalc prints it (algorithm 2).", TEXT),
    (
        "duration",
        "Length of the whole file in seconds. A fraction is rounded half up.",
        SECONDS,
    ),
    ("bitrate", "Bit rate of the file in kbit/s.", KBIT_PER_SECOND),
    ("fileformat", "Format of the file, such as `MP3`.", TEXT),
    (
        "mbid",
        "MBID of a recording; the parameter may be repeated.",
        {"type": "array", "items": UUID},
    ),
    ("puid", "PUID of the recording (retired).", UUID),
    (
        "foreignid",
        "Id of the recording in another service, `vendor:id`.",
        {"type": "string", "pattern": "^[0-9a-z]+:."},
    ),
    ("track", "Title of the recording.", TEXT),
    ("artist", "Artist of the recording.", TEXT),
    ("album", "Title of the album.", TEXT),
    ("albumartist", "Artist of the album.", TEXT),
    ("trackno", "Number of the track on the medium.", NUMBER),
    ("discno", "Number of the medium.", NUMBER),
    ("year", "Year of the release.", NUMBER),
]
"""What the OpenAPI document says of each field; clients are generated from it."""


def test_the_openapi_document_describes_every_field_in_order() -> None:
    found = openapi_document()["paths"]["/v2/submit"]["get"]["parameters"]
    items = [each for each in found if each["description"].endswith("`, …")]
    assert [(each["name"], each["description"], each["schema"]) for each in items] == [
        (name, f"{description} Also `{name}.0`, `{name}.1`, …", schema)
        for name, description, schema in DOCUMENTED
    ]


def test_the_form_of_the_openapi_document_has_every_field() -> None:
    body = openapi_document()["paths"]["/v2/submit"]["post"]["requestBody"]["content"]
    for content in body.values():
        for name, description, schema in DOCUMENTED:
            expected = {**schema, "description": description}
            assert content["schema"]["properties"][name] == expected
            assert content["schema"]["patternProperties"][rf"^{name}\.[0-9]+$"] == schema


def test_every_field_has_a_column() -> None:
    assert set(COLUMN_FIELDS) <= set(submission.c.keys())
    assert set(METADATA_FIELDS) <= set(meta.c.keys())


VALUES: dict[str, Any] = {
    "fingerprint": "AQAAAQcZ",
    "duration": "241",
    "bitrate": "320",
    "mbid": MBID,
    "puid": MBID,
    "foreignid": "vendor:1",
    "trackno": "1",
    "discno": "2",
    "year": "1999",
}


@pytest.mark.parametrize("version", [1, 2])
def test_every_field_of_a_request_is_in_the_receipt(version: int) -> None:
    """The names of version 1 differ for the duration and the file format."""
    sent = Parameters(
        (field.name(version), VALUES.get(field.parameter, f"a {field.parameter}"))
        for field in SUBMISSION_FIELDS
    )
    ((_, receipt),) = parse_submissions(sent, Submitter(1, 1, None), version).receipts
    for column in COLUMN_FIELDS:
        assert getattr(receipt, column) is not None, column
    assert receipt.meta is not None
    assert set(receipt.meta) == set(METADATA_FIELDS)
