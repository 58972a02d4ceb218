"""The paths of the web service, and the endpoint of each path."""

from collections.abc import Callable, Mapping
from typing import Final

from api.access.access_control import AccessControl
from api.edits.admin_endpoint import EditEndpoint
from api.edits.endpoints import (
    LinkMbidEndpoint,
    RemoveFingerprintEndpoint,
    RemoveTextEndpoint,
    SplitTrackEndpoint,
    UndoEndpoint,
    UnlinkMbidEndpoint,
)
from api.fingerprints import FingerprintEndpoint
from api.front_end import FrontEnd
from api.http.endpoint import Endpoint
from api.internal.applications import (
    CheckApplicationEndpoint,
    CreateAccountEndpoint,
    CreateApplicationEndpoint,
    UpdateApplicationStatusEndpoint,
)
from api.internal.lookup_statistics import (
    LookupStatsEndpoint,
    UpdateLookupStatsEndpoint,
    UpdateUserAgentStatsEndpoint,
)
from api.lookups.endpoint import LookupEndpoint, LookupFeatures
from api.submissions.endpoint import SubmissionStatusEndpoint, SubmitEndpoint
from api.task_status import TaskEndpoint
from api.tracks import ListByMbidEndpoint, ListByPuidEndpoint
from api.users.accounts import (
    CreateAnonymousEndpoint,
    CreateMusicbrainzEndpoint,
    UserLookupEndpoint,
)
from api.users.musicbrainz_tokens import MusicbrainzUsers
from api.v1 import LookupV1Endpoint, SubmitV1Endpoint
from pipeline.runtime.databases import Databases

MakeEndpoint = Callable[[FrontEnd], Endpoint]


def _with_access(endpoint: Callable[[AccessControl], Endpoint]) -> MakeEndpoint:
    return lambda front_end: endpoint(front_end.access)


def _with_databases(endpoint: Callable[[AccessControl, Databases], Endpoint]) -> MakeEndpoint:
    return lambda front_end: endpoint(front_end.access, front_end.databases)


def _edit(endpoint: type[EditEndpoint]) -> MakeEndpoint:
    return lambda front_end: endpoint(front_end.access, front_end.databases, front_end.redis)


def _lookup(endpoint: type[LookupEndpoint]) -> MakeEndpoint:
    return lambda front_end: endpoint(
        front_end.access,
        front_end.answer_cache,
        front_end.excerpts,
        front_end.background,
        front_end.counters,
        LookupFeatures.of(front_end.settings),
    )


def _submit(endpoint: type[SubmitEndpoint]) -> MakeEndpoint:
    return lambda front_end: endpoint(
        front_end.access,
        front_end.settings.api.submit_timeout,
        front_end.databases,
        front_end.receipts,
        front_end.backlog,
        front_end.publisher,
        front_end.metrics,
    )


def _task(front_end: FrontEnd) -> Endpoint:
    return TaskEndpoint(
        front_end.access, front_end.databases, front_end.redis, front_end.background
    )


def _create_musicbrainz(front_end: FrontEnd) -> Endpoint:
    users = MusicbrainzUsers(front_end.settings.api.musicbrainz_userinfo_url)
    return CreateMusicbrainzEndpoint(front_end.access, front_end.databases, users)


ROUTES: Final[Mapping[str, MakeEndpoint]] = {
    "/v2/lookup": _lookup(LookupEndpoint),
    "/v2/submit": _submit(SubmitEndpoint),
    "/v2/submission_status": _with_databases(SubmissionStatusEndpoint),
    "/v2/task/{task_id}": _task,
    "/v2/fingerprint": _with_databases(FingerprintEndpoint),
    "/v2/track/list_by_mbid": _with_databases(ListByMbidEndpoint),
    "/v2/track/list_by_puid": _with_access(ListByPuidEndpoint),
    "/v2/user/lookup": _with_access(UserLookupEndpoint),
    "/v2/user/create_anonymous": _with_databases(CreateAnonymousEndpoint),
    "/v2/user/create_musicbrainz": _create_musicbrainz,
    "/v2/edit/unlink_mbid": _edit(UnlinkMbidEndpoint),
    "/v2/edit/link_mbid": _edit(LinkMbidEndpoint),
    "/v2/edit/remove_fingerprint": _edit(RemoveFingerprintEndpoint),
    "/v2/edit/remove_text": _edit(RemoveTextEndpoint),
    "/v2/edit/split_track": _edit(SplitTrackEndpoint),
    "/v2/edit/undo": _edit(UndoEndpoint),
    "/v2/internal/update_lookup_stats": _with_databases(UpdateLookupStatsEndpoint),
    "/v2/internal/update_user_agent_stats": _with_databases(UpdateUserAgentStatsEndpoint),
    "/v2/internal/lookup_stats": _with_databases(LookupStatsEndpoint),
    "/v2/internal/create_account": _with_databases(CreateAccountEndpoint),
    "/v2/internal/create_application": _with_databases(CreateApplicationEndpoint),
    "/v2/internal/update_application_status": _with_databases(UpdateApplicationStatusEndpoint),
    "/v2/internal/check_application": _with_databases(CheckApplicationEndpoint),
}
"""Creates the endpoint of each path of version 2; a path may have Falcon's ``{fields}``."""

V1_ROUTES: Final[Mapping[str, MakeEndpoint]] = {
    "/lookup": _lookup(LookupV1Endpoint),
    "/submit": _submit(SubmitV1Endpoint),
}
"""Creates the endpoint of each path of version 1, for old clients."""
