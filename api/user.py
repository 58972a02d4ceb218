"""``/v2/user/*``: accounts."""

from typing import Any, ClassVar

from api.endpoint import Endpoint, KeyedEndpoint
from api.errors import InvalidUserApiKeyError, MissingParameterError
from api.exchange import Exchange
from api.parameters import Parameters
from pipeline.catalog.accounts import Account, create_account

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
