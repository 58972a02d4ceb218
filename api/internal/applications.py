"""``/v2/internal/*``: creates accounts and applications, and checks their keys."""

from typing import Any, ClassVar, Final

from api.http.endpoint import ApiRequest
from api.http.errors import (
    InvalidApiKeyError,
    InvalidValueError,
    MissingParameterError,
    UnknownApplicationError,
)
from api.internal.endpoint import InternalEndpoint
from api.internal.parameters import need_flag, need_id, need_text
from pipeline.catalog.app.accounts import (
    Account,
    Application,
    create_account,
    create_application,
    find_account_by_id,
)
from pipeline.catalog.app.keys.key_administration import APPLICATIONS, keys_of, set_active

EXTERNAL: Final = "External User"


class CreateAccountEndpoint(InternalEndpoint):
    """Creates an account for a user of another service."""

    name: ClassVar[str] = "internal_create_account"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the account's id and key."""
        self.access.maintenance.refuse(request.deadline)
        with self._databases.engine("app").begin() as connection:
            made = create_account(connection, EXTERNAL)
        self.access.keys.accounts.publish(made.key, Account(made.id, made.name))
        return {"id": made.id, "api_key": made.key}


class CreateApplicationEndpoint(InternalEndpoint):
    """Creates an application of an account."""

    name: ClassVar[str] = "internal_create_application"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the application's id and key."""
        self.access.maintenance.refuse(request.deadline)
        parameters = request.parameters
        account_id = need_id(parameters, "account_id")
        name = need_text(parameters, "name")
        version = parameters.get_text("version") or ""
        with self._databases.engine("app").begin() as connection:
            if find_account_by_id(connection, account_id) is None:
                raise InvalidValueError("account_id", "there is no account with this id")
            made = create_application(connection, name, version=version, account_id=account_id)
        self.access.keys.applications.publish(made.key, Application(made.id, made.name))
        return {"id": made.id, "api_key": made.key}


class UpdateApplicationStatusEndpoint(InternalEndpoint):
    """Enables or disables an application of an account."""

    name: ClassVar[str] = "internal_update_application_status"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the application's id, and whether it is active now."""
        self.access.maintenance.refuse(request.deadline)
        parameters = request.parameters
        account_id = need_id(parameters, "account_id")
        application_id = need_id(parameters, "application_id")
        active = need_flag(parameters, "active")
        with self._databases.engine("app").begin() as connection:
            name = set_active(
                connection, APPLICATIONS, application_id, active=active, owner_id=account_id
            )
            if name is None:
                raise UnknownApplicationError
            # Before the commit, while the row is locked: changes are published in their order.
            for key, application in keys_of(connection, APPLICATIONS, application_id).items():
                self.access.keys.applications.publish(key, application)
        return {"id": application_id, "active": active}


class CheckApplicationEndpoint(InternalEndpoint):
    """Checks whether a key is that of an active application."""

    name: ClassVar[str] = "internal_check_application"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the id of the application that has the key."""
        key = request.parameters.get("api_key")
        if not key:
            raise MissingParameterError("api_key", "an application's API key")
        application = self.access.keys.active_application(key)
        if application is None:
            raise InvalidApiKeyError('"api_key" is not the key of an active application')
        return {"id": application.id}
