"""JSON Schemas of the replies, by name."""

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
UUID: Final[Schema] = {"type": "string", "format": "uuid"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
OK: Final[Schema] = {"const": "ok"}
MISMATCH: Final[Schema] = {
    "const": True,
    "description": "The recording is over 30 s longer or shorter than the track's fingerprints.",
}
PARTIAL: Final[Schema] = {
    "const": True,
    "description": "Results may have been left out, by a limit on searches or because the sketch "
    "index could not be searched.",
}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    """Return the schema of a list of items."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """Return a schema that also allows null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object that has only these fields."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def reply(fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a successful reply: these fields and ``"status": "ok"``."""
    return record({**fields, "status": OK}, optional)


_SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_DATE: Final = record({}, {"year": NUMBER, "month": NUMBER, "day": NUMBER})

_METADATA: Final[dict[str, Schema]] = {
    "Artist": {
        "description": "An artist of MusicBrainz; with `usermeta`, a submitted text.",
        "anyOf": [record({"id": UUID, "name": TEXT}, {"joinphrase": TEXT}), TEXT],
    },
    "Track": record(
        {},
        {
            "id": {"anyOf": [UUID, NUMBER]},
            "position": nullable(NUMBER),
            "title": nullable(TEXT),
            "artists": listed(ref("Artist")),
            "duration": {"type": "number"},
            "medium": ref("Medium"),
        },
    ),
    "Medium": record(
        {"position": nullable(NUMBER), "track_count": nullable(NUMBER)},
        {
            "format": TEXT,
            "title": TEXT,
            "tracks": listed(ref("Track")),
            "release": record({"id": UUID, "title": TEXT}),
        },
    ),
    "Release": record(
        {},
        {
            "id": UUID,
            "title": TEXT,
            "artists": listed(ref("Artist")),
            "medium_count": NUMBER,
            "track_count": NUMBER,
            "country": TEXT,
            "date": _DATE,
            "releaseevents": listed(record({}, {"country": TEXT, "date": _DATE})),
            "mediums": listed(ref("Medium")),
        },
    ),
    "ReleaseGroup": record(
        {},
        {
            "id": UUID,
            "title": TEXT,
            "type": TEXT,
            "secondarytypes": listed(TEXT),
            "artists": listed(ref("Artist")),
            "releases": listed(ref("Release")),
        },
    ),
    "Recording": record(
        {},
        {
            "id": UUID,
            "title": TEXT,
            "duration": {"type": "number", "description": "Duration in seconds."},
            "artists": listed(ref("Artist")),
            "sources": NUMBER,
            "duration_mismatch": MISMATCH,
            "isrcs": listed(TEXT),
            "releasegroups": listed(ref("ReleaseGroup")),
            "releases": listed(ref("Release")),
            "tracks": listed(ref("Track")),
        },
    ),
    "RecordingPart": {
        "description": "The part of the recording that agrees with an excerpt.",
        **record(
            {
                "offset": {
                    "type": "number",
                    "description": "Place in the recording at which the excerpt begins, in "
                    "seconds with two decimals; negative if it begins before the recording.",
                },
                "duration": {
                    "type": "number",
                    "minimum": 0,
                    "description": "Seconds of the excerpt that agree with the recording.",
                },
                "matched": {
                    **_SHARE,
                    "description": "Share of equal bits in these seconds: 0.5 on average for "
                    "unrelated music.",
                },
            }
        ),
    },
    "Result": record(
        {"id": UUID, "score": _SHARE},
        {
            "match": ref("RecordingPart"),
            "recordings": listed(ref("Recording")),
            "releasegroups": listed(ref("ReleaseGroup")),
            "releases": listed(ref("Release")),
        },
    ),
}

_SUBMISSIONS: Final[dict[str, Schema]] = {
    "SubmissionState": {"enum": ["pending", "imported", "rejected", "failed"]},
    "Submission": record(
        {"id": NUMBER, "status": ref("SubmissionState")},
        {
            "index": {"type": "string", "description": "Suffix of the item, if it has one."},
            "reason": {
                "type": "string",
                "description": "Reason of the state `rejected` or `failed`.",
            },
            "result": record({"id": UUID}),
        },
    ),
    "Task": record(
        {
            "id": UUID,
            "kind": {"enum": ["submission", "lookup"]},
            "state": {"enum": ["pending", "running", "finished", "failed"]},
            "stage": nullable(TEXT),
            "created": MOMENT,
            "started": nullable(MOMENT),
            "finished": nullable(MOMENT),
        },
        {"result": {"type": "object"}, "reason": TEXT},
    ),
}

_FINGERPRINTS: Final = record(
    {"index": nullable(NUMBER), "results": listed(ref("Result"))}, {"partial": PARTIAL}
)
_ERROR: Final = record({"code": NUMBER, "message": TEXT})
_SKIPPED: Final = {"skipped": listed(ref("SkippedItem"))}
_TASK_ID: Final = record({"id": UUID})

_REPLIES: Final[dict[str, Schema]] = {
    "LookupReply": {
        "anyOf": [
            reply({"results": listed(ref("Result"))}, {"partial": PARTIAL}),
            reply({"fingerprints": listed(_FINGERPRINTS)}, _SKIPPED),
            reply({"task": _TASK_ID}),
        ]
    },
    "SubmitReply": reply(
        {"submissions": listed(ref("Submission"))}, {"task": _TASK_ID, **_SKIPPED}
    ),
    "SkippedItem": {
        "description": "An item that the reply leaves out, and the error that it would get alone.",
        **record(
            {
                "index": {
                    "type": "string",
                    "description": "Suffix of the item; empty for the item without a suffix.",
                },
                "error": _ERROR,
            }
        ),
    },
    "SubmissionsReply": reply({"submissions": listed(ref("Submission"))}),
    "TaskReply": reply({"task": ref("Task")}),
    "FingerprintReply": reply(
        {"fingerprint": record({"id": NUMBER, "duration": NUMBER, "hashes": listed(NUMBER)})}
    ),
    "TracksReply": {
        "anyOf": [
            reply({"tracks": listed(ref("LinkedTrack"))}),
            reply({"mbids": listed(record({"mbid": UUID, "tracks": listed(ref("LinkedTrack"))}))}),
        ]
    },
    "LinkedTrack": record(
        {
            "id": UUID,
            "lengths": {
                **listed(NUMBER),
                "description": "Lengths of the track's fingerprints in seconds, ascending.",
            },
            "sources": {
                "type": "integer",
                "description": "Number of submissions that link the recording to the track.",
            },
        },
        {"disabled": {"const": True}, "duration_mismatch": MISMATCH},
    ),
    "UserReply": reply({"user": record({"apikey": TEXT})}),
    "EditReply": reply({"edit_id": NUMBER}, {"new_track": record({"id": UUID})}),
    "DoneReply": reply({}),
    "CreatedReply": reply({"id": NUMBER, "api_key": TEXT}),
    "ApplicationReply": reply({"id": NUMBER}, {"active": {"type": "boolean"}}),
    "LookupStatsReply": reply(
        {
            "stats": listed(
                record(
                    {
                        "date": {"type": "string", "format": "date"},
                        "count": NUMBER,
                        "count_hits": NUMBER,
                        "count_nohits": NUMBER,
                    }
                )
            )
        }
    ),
    "Health": record(
        {
            "status": {"enum": ["ok", "degraded", "error"]},
            "checks": {
                "type": "object",
                "additionalProperties": {"enum": ["ok", "failed", "unknown"]},
            },
            "faults": listed(TEXT),
        }
    ),
    "Error": record(
        {
            "status": {"const": "error"},
            "error": _ERROR,
        }
    ),
}

SCHEMAS: Final[Mapping[str, Schema]] = {**_METADATA, **_SUBMISSIONS, **_REPLIES}
