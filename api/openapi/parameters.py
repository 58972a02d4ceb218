"""The parameters of all endpoints, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api.openapi.schemas import NUMBER, TEXT, UUID, Schema, listed
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
        description: its meaning.
        schema: its valid values.
        is_numbered: whether ``name.0``, ``name.1``, … are parameters too.
    """

    description: str
    schema: Schema = field(default_factory=lambda: dict(TEXT))
    is_numbered: bool = False


def _between(least: int, most: int, **more: Any) -> Schema:  # noqa: ANN401 - any JSON Schema
    return {"type": "integer", "minimum": least, "maximum": most, **more}


_SCHEMAS: Final[Mapping[Kind, Schema]] = {
    Kind.FINGERPRINT: TEXT,
    Kind.DURATION: _between(1, MAX_DURATION),
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
    "format": Parameter("Of the reply.", {"enum": ["json", "jsonp", "xml"], "default": "json"}),
    "jsoncallback": Parameter(
        "Function that `jsonp` calls: a dotted identifier, else the default is used.",
        {"type": "string", "default": "jsonAcoustidApi"},
    ),
    "secret": Parameter("The cluster's secret: no limits apply to who knows it."),
}
"""The parameters of every endpoint of the web service."""

PARAMETERS: Final[Mapping[str, Parameter]] = {
    **COMMON,
    "client": Parameter("Key of the application that asks."),
    "clientversion": Parameter("Version of that application."),
    "user": Parameter("Key of the user."),
    **{each.parameter: _submitted(each) for each in SUBMISSION_FIELDS},
    "trackid": Parameter("AcoustID of a track, in the place of a fingerprint.", UUID, True),  # noqa: FBT003 - is_numbered
    "meta": Parameter("What to tell of each result: words separated by spaces."),
    "maxdurationdiff": Parameter(
        "Seconds that the durations may differ by.", _between(1, 30, default=7)
    ),
    "batch": Parameter("1: answer all numbered questions.", _FLAG),
    "async": Parameter("1: answer at once with a task id; only where the server allows it.", _FLAG),
    "wait": Parameter(
        "Seconds to wait for final states, 10 at most, or until the request's deadline.",
        _between(0, 10, default=0),
    ),
    "id": Parameter("Number of what is asked for; of several, each once.", listed(NUMBER)),
    "disabled": Parameter("1: show links that were disabled, too.", _FLAG),
    "access_token": Parameter("OAuth token of a MusicBrainz user."),
    "application_id": Parameter("Number of an application.", NUMBER),
    "account_id": Parameter("Number of an account.", NUMBER),
    "name": Parameter("Of what is made."),
    "version": Parameter("Of the application."),
    "active": Parameter("Whether the key is taken; `0`, `false` and nothing mean no."),
    "api_key": Parameter("Key of an application."),
    "date": Parameter("Day, in UTC.", {"type": "string", "format": "date"}),
    "hour": Parameter("Hour of the day, in UTC.", _between(0, 23)),
    "type": Parameter("`hit` for lookups with a result, anything else for those without."),
    "count": Parameter("How many to add.", NUMBER),
    "user_agent": Parameter("What a client calls itself."),
    "ip": Parameter("A client's address."),
    "from": Parameter("First day.", {"type": "string", "format": "date"}),
    "to": Parameter("Last day.", {"type": "string", "format": "date"}),
    "days": Parameter("How many days, up to yesterday.", {**NUMBER, "default": 30}),
}
