"""Which path is answered by which endpoint."""

from collections.abc import Mapping
from typing import Final

from api.fingerprints import FingerprintEndpoint
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
from api.lookups.endpoint import LookupEndpoint
from api.submissions.endpoint import SubmitEndpoint
from api.submissions.status import SubmissionStatusEndpoint
from api.task_status import TaskEndpoint
from api.tracks import ListByMbidEndpoint, ListByPuidEndpoint
from api.users.accounts import (
    CreateAnonymousEndpoint,
    CreateMusicbrainzEndpoint,
    UserLookupEndpoint,
)
from api.v1 import LookupV1Endpoint, SubmitV1Endpoint

ROUTES: Final[Mapping[str, type[Endpoint]]] = {
    "/v2/lookup": LookupEndpoint,
    "/v2/submit": SubmitEndpoint,
    "/v2/submission_status": SubmissionStatusEndpoint,
    "/v2/task/{task_id}": TaskEndpoint,
    "/v2/fingerprint": FingerprintEndpoint,
    "/v2/track/list_by_mbid": ListByMbidEndpoint,
    "/v2/track/list_by_puid": ListByPuidEndpoint,
    "/v2/user/lookup": UserLookupEndpoint,
    "/v2/user/create_anonymous": CreateAnonymousEndpoint,
    "/v2/user/create_musicbrainz": CreateMusicbrainzEndpoint,
    "/v2/internal/update_lookup_stats": UpdateLookupStatsEndpoint,
    "/v2/internal/update_user_agent_stats": UpdateUserAgentStatsEndpoint,
    "/v2/internal/lookup_stats": LookupStatsEndpoint,
    "/v2/internal/create_account": CreateAccountEndpoint,
    "/v2/internal/create_application": CreateApplicationEndpoint,
    "/v2/internal/update_application_status": UpdateApplicationStatusEndpoint,
    "/v2/internal/check_application": CheckApplicationEndpoint,
}
"""The paths of the web service, with Falcon's fields, and who answers them."""

V1_ROUTES: Final[Mapping[str, type[Endpoint]]] = {
    "/lookup": LookupV1Endpoint,
    "/submit": SubmitV1Endpoint,
}
"""The paths of version 1, which only old clients need."""
