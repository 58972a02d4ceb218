"""``/v2/user/*``: checks user keys and creates accounts."""

from typing import Any, ClassVar

from api.access.access_control import AccessControl, CountedEndpoint, KeyedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import (
    InsecureRequestError,
    InvalidMusicbrainzTokenError,
    InvalidUserApiKeyError,
    MissingParameterError,
    NotAllowedError,
)
from api.users.musicbrainz_tokens import MusicbrainzUsers
from pipeline.catalog.app.accounts import (
    Account,
    DisabledAccountError,
    create_account,
    ensure_musicbrainz_account,
)
from pipeline.runtime.databases import Databases

ANONYMOUS = "Anonymous"


class UserLookupEndpoint(CountedEndpoint):
    """Checks a user's key in the database, without the caches."""

    name: ClassVar[str] = "user_lookup"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the key, if it is valid."""
        key = request.parameters.get("user")
        if not key:
            raise MissingParameterError("user")
        if self.access.keys.accounts.find_uncached(key) is None:
            raise InvalidUserApiKeyError('"user" must be the key of a user of this server')
        return {"user": {"apikey": key}}


class CreateAnonymousEndpoint(KeyedEndpoint):
    """Creates an anonymous account for a user of an application."""

    name: ClassVar[str] = "user_create_anonymous"

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the new account's key."""
        self.access.maintenance.refuse(request.deadline)
        with self._databases.engine("app").begin() as connection:
            created = create_account(
                connection,
                ANONYMOUS,
                application_id=request.application_id,
                application_version=request.parameters.get_text("clientversion"),
                created_from=request.address,
            )
        holder = Account(created.id, created.name)
        self.access.keys.accounts.publish(created.key, holder)
        return {"user": {"apikey": created.key}}


class CreateMusicbrainzEndpoint(CountedEndpoint):
    """Returns the key of a MusicBrainz user's account, given an OAuth access token.

    Args:
        access: checks and counts the requests.
        databases: the accounts are in the app database.
        musicbrainz: returns the user of a token.
    """

    name: ClassVar[str] = "user_create_musicbrainz"

    def __init__(
        self, access: AccessControl, databases: Databases, musicbrainz: MusicbrainzUsers
    ) -> None:
        super().__init__(access)
        self._databases = databases
        self._musicbrainz = musicbrainz

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the key of the account, which is created if it does not exist."""
        self.access.maintenance.refuse(request.deadline)
        token = request.parameters.get("access_token")
        if not token:
            raise MissingParameterError("access_token", "an OAuth token of MusicBrainz")
        if not request.secure:
            raise InsecureRequestError
        mbuser = self._musicbrainz.name(token)
        if mbuser is None:
            raise InvalidMusicbrainzTokenError
        try:
            with self._databases.engine("app").begin() as connection:
                account, key = ensure_musicbrainz_account(connection, mbuser)
        except DisabledAccountError:
            raise NotAllowedError("the account of this user is disabled") from None
        self.access.keys.accounts.publish(key, account)
        return {"user": {"apikey": key}}
