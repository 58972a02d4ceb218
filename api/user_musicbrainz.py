"""``/v2/user/create_musicbrainz``: the account of a MusicBrainz user."""

from typing import Any, ClassVar

from api.endpoint import Endpoint
from api.errors import (
    InsecureRequestError,
    InvalidMusicbrainzTokenError,
    MissingParameterError,
)
from api.exchange import Exchange
from api.musicbrainz_user import MusicbrainzUsers
from api.parameters import Parameters
from api.services import Services
from pipeline.catalog.musicbrainz_accounts import ensure_account


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
            account, key = ensure_account(connection, mbuser)
        self.services.keys.accounts.publish(key, account)
        return {"user": {"apikey": key}}
