"""The operations of the web service: the description, parameters and reply of each path."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Final

from pipeline.lookups.metadata.meta_words import LEGACY_WORD, META_WORDS
from pipeline.submission_fields import SUBMISSION_FIELDS


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation of one path, for GET and POST.

    Attributes:
        tag: the name of the group in which the documentation shows the path.
        summary: one line for the documentation, in the imperative.
        reply: the name of the schema of a successful reply.
        parameters: the names of the parameters, without `api.openapi.parameters.COMMON`.
        required: the names of the required parameters; none of them is numbered.
        description: further text for the documentation.
        errors: the HTTP statuses of errors, without those that all paths have in common.
        is_public: False for a path that only the servers of the cluster use.
        post_only: whether the path accepts only POST.
    """

    tag: str
    summary: str
    reply: str
    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    description: str = ""
    errors: tuple[int, ...] = ()
    is_public: bool = True
    post_only: bool = False


def _list_meta_words() -> str:
    *others, last = (f"`{word}`" for word in META_WORDS if word != LEGACY_WORD)
    text = (
        f"`meta` has any of the words {', '.join(others)} and {last}, or only `{LEGACY_WORD}`. "
        "Unknown words are ignored."
    )
    return fill(text, 100)


_LOOKUP: Final = f"""
An item has `fingerprint` and `duration`, or `trackid`. Without `batch`, the reply has the results
of the first valid item. With `batch`, it has the results of all items: up to 20 fingerprints or 100
track ids. Invalid items have no results; with `batch`, `skipped` has the reason of each. If all
items are invalid, the reply is an error.

With `excerpt`, a fingerprint is that of any part of a recording, from about 5 s of music on, and
`duration` may be omitted. With `second_chance`, a lookup without results is repeated as if the
fingerprint were that of an excerpt. Results of both have `match`: the place in the recording, and
how well it agrees.

{_list_meta_words()}
"""

_SUBMIT: Final = """
An item needs `fingerprint`, `duration`, and an `mbid`, a `puid` or text metadata. An item with
several MBIDs becomes several submissions. Other items are left out, and `skipped` has the reason of
each. If all items are invalid, the reply is an error.

After a successful reply no submission is lost. Each submission reaches a final state, which
`/v2/submission_status` and `/v2/task/{task_id}` return.
"""


def _edit(summary: str, description: str, *parameters: str) -> Operation:
    return Operation(
        "edits",
        summary,
        "EditReply",
        ("client", "user", "note", *parameters),
        ("client", "user", "note", *parameters),
        f"Only for admins. {description}",
        (401, 404, 405, 409),
        post_only=True,
    )


OPERATIONS: Final[Mapping[str, Operation]] = {
    "/v2/lookup": Operation(
        "lookup",
        "Find tracks by fingerprint or by track id",
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
            "excerpt",
            "second_chance",
        ),
        ("client",),
        _LOOKUP,
        (401,),
    ),
    "/v2/submit": Operation(
        "submission",
        "Submit fingerprints and the metadata of their recordings",
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
        "Return the states of submissions",
        "SubmissionsReply",
        ("client", "id"),
        ("client",),
        errors=(401,),
    ),
    "/v2/task/{task_id}": Operation(
        "submission",
        "Return the state and the result of a task",
        "TaskReply",
        errors=(404,),
        description="The reply to a submission or to a lookup with `async` has the id of its task.",
    ),
    "/v2/fingerprint": Operation(
        "catalogue",
        "Return a stored fingerprint",
        "FingerprintReply",
        ("id",),
        ("id",),
        errors=(404,),
    ),
    "/v2/track/list_by_mbid": Operation(
        "catalogue",
        "Return the tracks that are linked to MusicBrainz recordings",
        "TracksReply",
        ("mbid", "batch", "disabled"),
        ("mbid",),
        "Without `batch`, the reply has the tracks of the first MBID. With `batch`, it has the "
        "tracks of each MBID.",
    ),
    "/v2/track/list_by_puid": Operation(
        "catalogue",
        "Return an empty list, since PUIDs are retired",
        "TracksReply",
        ("puid",),
        ("puid",),
    ),
    "/v2/user/lookup": Operation(
        "users", "Check the key of a user", "UserReply", ("user",), ("user",), errors=(401,)
    ),
    "/v2/user/create_anonymous": Operation(
        "users",
        "Create an anonymous account and return its key",
        "UserReply",
        ("client", "clientversion"),
        ("client",),
        errors=(401,),
    ),
    "/v2/user/create_musicbrainz": Operation(
        "users",
        "Return the key of a MusicBrainz user's account, which is created if it does not exist",
        "UserReply",
        ("access_token",),
        ("access_token",),
        "HTTPS is required. The server sends the token to MusicBrainz to get the user's name.",
    ),
    "/v2/edit/unlink_mbid": _edit(
        "Disable a track's link to an MBID",
        "The link stays disabled when the MBID is submitted again.",
        "trackid",
        "mbid",
    ),
    "/v2/edit/link_mbid": _edit(
        "Link a track to an MBID, or enable a disabled link",
        "No submission confirms a new link.",
        "trackid",
        "mbid",
    ),
    "/v2/edit/remove_fingerprint": _edit(
        "Remove a fingerprint", "Its track stays.", "fingerprint_id"
    ),
    "/v2/edit/remove_text": _edit(
        "Remove a submitted text from a track",
        "A later submission of the same text adds it again.",
        "trackid",
        "text_id",
    ),
    "/v2/edit/split_track": _edit(
        "Move some fingerprints of a track to a new track",
        "Links follow the submissions of the fingerprints. `fingerprint_id` may be repeated.",
        "trackid",
        "fingerprint_id",
    ),
    "/v2/edit/undo": _edit(
        "Undo an edit",
        "The state before the edit is restored. If the rows have changed since, nothing is "
        "changed, and the error names the changes. An undo is an edit and can be undone.",
        "edit_id",
    ),
    "/v2/internal/update_lookup_stats": Operation(
        "internal",
        "Add to the number of lookups of an application in an hour",
        "DoneReply",
        ("application_id", "date", "hour", "type", "count"),
        ("secret", "application_id", "date", "hour", "type", "count"),
        "Only the master of the cluster serves this path.",
        is_public=False,
    ),
    "/v2/internal/update_user_agent_stats": Operation(
        "internal",
        "Add to the number of requests of an application on a day, by user agent and address",
        "DoneReply",
        ("application_id", "date", "user_agent", "ip", "count"),
        ("secret", "application_id", "date", "ip", "count"),
        "Only the master of the cluster serves this path.",
        is_public=False,
    ),
    "/v2/internal/lookup_stats": Operation(
        "internal",
        "Return the number of lookups of applications, by day",
        "LookupStatsReply",
        ("client", "from", "to", "days"),
        ("secret", "client"),
        "`client` may be repeated. The reply has the sums of all given applications.",
        (401,),
        is_public=False,
    ),
    "/v2/internal/create_account": Operation(
        "internal",
        "Create an account and return its key",
        "CreatedReply",
        required=("secret",),
        is_public=False,
    ),
    "/v2/internal/create_application": Operation(
        "internal",
        "Create an application of an account and return its key",
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
        "Check whether a key is that of an active application",
        "ApplicationReply",
        ("api_key",),
        ("secret", "api_key"),
        errors=(401,),
        is_public=False,
    ),
}
