"""The JSON Schema of a message, made of the declaration of the fields.

``python -m nats_bridge.ingest.message_schema`` prints it, for ``docs/nats-message.schema.json``.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from nats_bridge.ingest.message import MAX_ITEMS, VERSION
from pipeline.submission_fields import (
    COLUMN_FIELDS,
    MAX_BITRATE,
    MAX_DURATION,
    METADATA_FIELDS,
    REQUIRED_COLUMNS,
    SUBMISSION_FIELDS,
    Kind,
    SubmissionField,
)

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": ["string", "number", "null"]}
_UUID: Final[Schema] = {"type": ["string", "null"]}

_SCHEMAS: Final[Mapping[Kind, Schema]] = {
    Kind.FINGERPRINT: {"type": "string", "minLength": 1},
    Kind.DURATION: {
        "type": ["number", "string"],
        "minimum": 0.5,
        "exclusiveMaximum": MAX_DURATION + 0.5,
    },
    Kind.BITRATE: {"type": ["number", "string", "null"], "minimum": 0, "maximum": MAX_BITRATE},
    Kind.TEXT: _TEXT,
    Kind.UUID: _UUID,
    Kind.UUIDS: {"anyOf": [_UUID, {"type": "array", "items": _UUID}]},
    Kind.FOREIGN_ID: {"type": ["string", "null"]},
    Kind.METADATA_TEXT: _TEXT,
    Kind.METADATA_NUMBER: _TEXT,
}


def message_schema() -> Schema:
    """Return the schema. It permits every message that is accepted."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A message with submissions",
        "oneOf": [
            {"$ref": "#/$defs/submission"},
            {
                "type": "array",
                "items": {"$ref": "#/$defs/submission"},
                "minItems": 1,
                "maxItems": MAX_ITEMS,
            },
        ],
        "$defs": {"submission": _submission()},
    }


def _submission() -> Schema:
    named = ("mbid", "puid", *(each.parameter for each in METADATA_FIELDS.values()))
    return {
        "type": "object",
        "properties": {
            **{each.parameter: _described(each) for each in SUBMISSION_FIELDS},
            VERSION: {**_TEXT, "description": "Version of the application."},
        },
        "required": sorted(
            field.parameter for name, field in COLUMN_FIELDS.items() if name in REQUIRED_COLUMNS
        ),
        "anyOf": [{"required": [name]} for name in named],
    }


def _described(field: SubmissionField) -> Schema:
    return {**_SCHEMAS[field.kind], "description": field.description}


def schema_text() -> str:
    """Return the text of the file in ``docs/``."""
    return json.dumps(message_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")  # noqa: T201 - the output of the command
