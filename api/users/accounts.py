"""``/v2/user/*``: accounts."""

from typing import Any, ClassVar

from api.http.endpoint import Endpoint, KeyedEndpoint
from api.http.errors import (
    InsecureRequestError,
    InvalidMusicbrainzTokenError,
    InvalidUserApiKeyError,
    MissingParameterError,
)
from api.http.exchange import Exchange
from api.http.parameters import Parameters
from api.services import Services
from api.users.musicbrainz_tokens import MusicbrainzUsers
from pipeline.catalog.app.accounts import (
    Account,
    create_account,
    ensure_musicbrainz_account,
)

ANONYMOUS = "Anonymous"


class UserLookupEndpoint(Endpoint):
    """Tells whether a user key is valid, past every cache."""

    name: ClassVar[str] = "user_lookup"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,  # noqa: ARG002 - it has been counted
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the key that was asked for."""
        key = parameters.get("user")
        if not key:
            raise MissingParameterError("user")
        if self.services.keys.accounts.find_now(key) is None:
            raise InvalidUserApiKeyError('"user" must be the key of a user of this server')
        return {"user": {"apikey": key}}


class CreateAnonymousEndpoint(KeyedEndpoint):
    """Makes an account for a user whom only an application knows."""

    name: ClassVar[str] = "user_create_anonymous"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the new account's key."""
        with self.services.databases.engine("app").begin() as connection:
            created = create_account(
                connection,
                ANONYMOUS,
                application_id=exchange.application_id,
                application_version=parameters.get_text("clientversion"),
                created_from=exchange.address,
            )
        holder = Account(created.id, created.name)
        self.services.keys.accounts.publish(created.key, holder)
        return {"user": {"apikey": created.key}}


class CreateMusicbrainzEndpoint(Endpoint):
    """Gives the key of an account to whoever has its user's token from MusicBrainz."""

    name: ClassVar[str] = "user_create_musicbrainz"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._users = MusicbrainzUsers(services.settings.api.musicbrainz_userinfo_url)

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the key of the user's account, which is made where there is none yet."""
        token = parameters.get("access_token")
        if not token:
            raise MissingParameterError("access_token", "an OAuth token of MusicBrainz")
        if not exchange.secure:
            raise InsecureRequestError
        mbuser = self._users.name(token)
        if mbuser is None:
            raise InvalidMusicbrainzTokenError
        with self.services.databases.engine("app").begin() as connection:
            account, key = ensure_musicbrainz_account(connection, mbuser)
        self.services.keys.accounts.publish(key, account)
        return {"user": {"apikey": key}}
