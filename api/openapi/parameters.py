"""The parameters of all endpoints, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api.openapi.schemas import NUMBER, TEXT, UUID, Schema, listed
from pipeline.catalog.edits.edit_log import MAX_NOTE
from pipeline.submission_fields import (
    MAX_BITRATE,
    MAX_DURATION,
    SUBMISSION_FIELDS,
    Kind,
    SubmissionField,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        description: the meaning, for the documentation.
        schema: the JSON Schema of valid values.
        is_numbered: whether the name may have a numeric suffix: ``name.0``, ``name.1``, …
    """

    description: str
    schema: Schema = field(default_factory=lambda: dict(TEXT))
    is_numbered: bool = False


def _between(least: int, most: int, **more: Any) -> Schema:  # noqa: ANN401 - any JSON Schema
    return {"type": "integer", "minimum": least, "maximum": most, **more}


_SCHEMAS: Final[Mapping[Kind, Schema]] = {
    Kind.FINGERPRINT: TEXT,
    Kind.DURATION: {"type": "number", "minimum": 0.5, "exclusiveMaximum": MAX_DURATION + 0.5},
    Kind.BITRATE: _between(0, MAX_BITRATE),
    Kind.TEXT: TEXT,
    Kind.UUID: UUID,
    Kind.UUIDS: listed(UUID),
    Kind.FOREIGN_ID: {"type": "string", "pattern": "^[0-9a-z]+:."},
    Kind.METADATA_TEXT: TEXT,
    Kind.METADATA_NUMBER: NUMBER,
}


def _submitted(field: SubmissionField) -> Parameter:
    return Parameter(field.description, _SCHEMAS[field.kind], is_numbered=True)


_FLAG: Final = {"enum": [0, 1], "default": 0}

COMMON: Final[Mapping[str, Parameter]] = {
    "format": Parameter(
        "Format of the reply.", {"enum": ["json", "jsonp", "xml"], "default": "json"}
    ),
    "jsoncallback": Parameter(
        "Function that a `jsonp` reply calls: a dotted identifier. Only the first character of a "
        "part may be `$`. For other values the default is used.",
        {"type": "string", "default": "jsonAcoustidApi"},
    ),
    "secret": Parameter("The cluster's secret. Requests with it are not rate limited."),
}
"""The parameters of all endpoints of the web service."""

PARAMETERS: Final[Mapping[str, Parameter]] = {
    **COMMON,
    "client": Parameter("Key of the application."),
    "clientversion": Parameter("Version of the application."),
    "user": Parameter("Key of the user."),
    **{each.parameter: _submitted(each) for each in SUBMISSION_FIELDS},
    "trackid": Parameter("AcoustID of a track, instead of a fingerprint.", UUID, True),  # noqa: FBT003 - is_numbered
    "meta": Parameter("Metadata of the results: words separated by spaces, `+` or commas."),
    "maxdurationdiff": Parameter(
        "Maximum difference of the durations, in seconds.", _between(1, 30, default=7)
    ),
    "batch": Parameter("With 1, the reply has the results of all items.", _FLAG),
    "async": Parameter(
        "With 1, the reply has only a task id, and a worker does the lookup later. A setting of "
        "the server enables it.",
        _FLAG,
    ),
    "excerpt": Parameter(
        "With 1, the fingerprints are those of parts of recordings, and `duration` is optional. "
        "The results have `match`. Only if the server has a sketch index.",
        _FLAG,
    ),
    "second_chance": Parameter(
        "With 1, a lookup without results searches the sketch index too; with 0, it does not. A "
        "setting of the server is the default. Only if the server has a sketch index.",
        {"enum": [0, 1]},
    ),
    "wait": Parameter(
        "Maximum time in seconds to wait for final states. The request's deadline applies too.",
        _between(0, 10, default=0),
    ),
    "id": Parameter(
        "Id of a fingerprint, or ids of submissions in a repeated parameter.", listed(NUMBER)
    ),
    "disabled": Parameter("With 1, the reply also has disabled links.", _FLAG),
    "access_token": Parameter("OAuth access token of a MusicBrainz user."),
    "application_id": Parameter("Id of an application.", NUMBER),
    "account_id": Parameter("Id of an account.", NUMBER),
    "name": Parameter("Name of the application."),
    "version": Parameter("Version of the application."),
    "active": Parameter(
        "Empty, `0`, `false`, `no` and `off` disable the application; other values enable it."
    ),
    "note": Parameter(
        "Reason for the edit, for the log.", {"type": "string", "maxLength": MAX_NOTE}
    ),
    "fingerprint_id": Parameter(
        "Id of a fingerprint; repeated for several where the path takes several.", listed(NUMBER)
    ),
    "text_id": Parameter("Id of a submitted text.", NUMBER),
    "edit_id": Parameter("Id of an edit.", NUMBER),
    "api_key": Parameter("Key of an application."),
    "date": Parameter("Day in UTC.", {"type": "string", "format": "date"}),
    "hour": Parameter("Hour of the day in UTC.", _between(0, 23)),
    "type": Parameter("`hit` for lookups with results, any other word for lookups without."),
    "count": Parameter("Number to add.", NUMBER),
    "user_agent": Parameter("User agent of the client."),
    "ip": Parameter("IP address of the client."),
    "from": Parameter("First day.", {"type": "string", "format": "date"}),
    "to": Parameter("Last day; by default yesterday.", {"type": "string", "format": "date"}),
    "days": Parameter("Number of days up to `to`, if `from` is absent.", {**NUMBER, "default": 30}),
}
