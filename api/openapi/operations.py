"""The operations of the web service: what each path does, its parameters and its replies."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Final

from pipeline.lookups.metadata.meta_words import LEGACY_WORD, META_WORDS
from pipeline.submission_fields import SUBMISSION_FIELDS


@dataclass(frozen=True, slots=True)
class Operation:
    """One path; GET and POST do the same.

    Attributes:
        tag: the heading of its group.
        summary: what it does, in one line.
        reply: the name of the schema of a successful reply.
        parameters: the names of its parameters, without the common ones.
        required: the names of the required parameters; none of them is numbered.
        description: details that the summary does not have.
        errors: HTTP statuses of its errors, without those that every path has.
        is_public: False for paths that only servers of the cluster use.
    """

    tag: str
    summary: str
    reply: str
    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    description: str = ""
    errors: tuple[int, ...] = ()
    is_public: bool = True


def _list_meta_words() -> str:
    *others, last = (f"`{word}`" for word in META_WORDS if word != LEGACY_WORD)
    text = (
        f"`meta` is made of the words {', '.join(others)} and {last}, or is `{LEGACY_WORD}` alone. "
        "Words that are not known are ignored."
    )
    return fill(text, 100)


_LOOKUP: Final = f"""
Give `fingerprint` and `duration`, or `trackid`. Without `batch` the first valid question is
answered; with it all are, up to 20 fingerprints or 100 track ids.

{_list_meta_words()}
"""

_SUBMIT: Final = """
Each item needs `fingerprint`, `duration`, and an `mbid`, a `puid` or text metadata. An item with
several MBIDs becomes several submissions. Items that are not valid are left out, unless none is.

Once this answers, nothing is lost: each submission reaches a final state, which
`/v2/submission_status` and `/v2/task/{task_id}` tell.
"""

OPERATIONS: Final[Mapping[str, Operation]] = {
    "/v2/lookup": Operation(
        "lookup",
        "Find tracks by fingerprint, or a track by its id",
        "LookupReply",
        (
            "client",
            "fingerprint",
            "duration",
            "trackid",
            "meta",
            "maxdurationdiff",
            "batch",
            "async",
        ),
        ("client",),
        _LOOKUP,
        (401,),
    ),
    "/v2/submit": Operation(
        "submission",
        "Submit fingerprints and what they are of",
        "SubmitReply",
        (
            "client",
            "user",
            "clientversion",
            "wait",
            *(field.parameter for field in SUBMISSION_FIELDS),
        ),
        ("client", "user"),
        _SUBMIT,
        (401,),
    ),
    "/v2/submission_status": Operation(
        "submission",
        "Tell what became of submissions",
        "SubmissionsReply",
        ("client", "id"),
        ("client",),
        errors=(401,),
    ),
    "/v2/task/{task_id}": Operation(
        "submission",
        "Tell how far a task is",
        "TaskReply",
        errors=(404,),
        description="The id comes with the reply to a submission or to an asynchronous lookup.",
    ),
    "/v2/fingerprint": Operation(
        "catalogue",
        "Show a stored fingerprint",
        "FingerprintReply",
        ("id",),
        ("id",),
        errors=(404,),
    ),
    "/v2/track/list_by_mbid": Operation(
        "catalogue",
        "List the tracks that are linked to MusicBrainz recordings",
        "TracksReply",
        ("mbid", "batch", "disabled"),
        ("mbid",),
        "Without `batch` the first recording is answered; with it all are, each by its MBID.",
    ),
    "/v2/track/list_by_puid": Operation(
        "catalogue",
        "List the tracks of a PUID: none, since PUIDs are retired",
        "TracksReply",
        ("puid",),
        ("puid",),
    ),
    "/v2/user/lookup": Operation(
        "users", "Check a user's key", "UserReply", ("user",), ("user",), errors=(401,)
    ),
    "/v2/user/create_anonymous": Operation(
        "users",
        "Make an account without a name, and its key",
        "UserReply",
        ("client", "clientversion"),
        ("client",),
        errors=(401,),
    ),
    "/v2/user/create_musicbrainz": Operation(
        "users",
        "Make or find the account of a MusicBrainz user, and tell its key",
        "UserReply",
        ("access_token",),
        ("access_token",),
        "Only over HTTPS. MusicBrainz is asked whose the token is.",
    ),
    "/v2/internal/update_lookup_stats": Operation(
        "internal",
        "Add to the lookups of an application in an hour",
        "DoneReply",
        ("application_id", "date", "hour", "type", "count"),
        ("secret", "application_id", "date", "hour", "type", "count"),
        "Only the master of the cluster takes this.",
        is_public=False,
    ),
    "/v2/internal/update_user_agent_stats": Operation(
        "internal",
        "Add to the requests of an application on a day, by program and address",
        "DoneReply",
        ("application_id", "date", "user_agent", "ip", "count"),
        ("secret", "application_id", "date", "ip", "count"),
        "Only the master of the cluster takes this.",
        is_public=False,
    ),
    "/v2/internal/lookup_stats": Operation(
        "internal",
        "Tell how often applications looked up, day by day",
        "LookupStatsReply",
        ("client", "from", "to", "days"),
        ("secret", "client"),
        "`client` may be given more than once; the lookups are added up.",
        (401,),
        is_public=False,
    ),
    "/v2/internal/create_account": Operation(
        "internal",
        "Make an account, and its key",
        "CreatedReply",
        required=("secret",),
        is_public=False,
    ),
    "/v2/internal/create_application": Operation(
        "internal",
        "Make an application of an account, and its key",
        "CreatedReply",
        ("account_id", "name", "version"),
        ("secret", "account_id", "name"),
        is_public=False,
    ),
    "/v2/internal/update_application_status": Operation(
        "internal",
        "Enable or disable an application of an account",
        "ApplicationReply",
        ("account_id", "application_id", "active"),
        ("secret", "account_id", "application_id", "active"),
        is_public=False,
    ),
    "/v2/internal/check_application": Operation(
        "internal",
        "Tell whether an application's key is taken here",
        "ApplicationReply",
        ("api_key",),
        ("secret", "api_key"),
        errors=(401,),
        is_public=False,
    ),
}
