"""The base class of ``/v2/edit/*``: only POST, only admins, one edit per request."""

from abc import abstractmethod
from contextlib import suppress
from typing import Any, ClassVar

import redis
from redis.exceptions import RedisError

from api.access.access_control import AccessControl, KeyedEndpoint
from api.edits.parameters import need_note
from api.http.endpoint import ApiRequest
from api.http.errors import (
    ConflictError,
    FingerprintNotFoundError,
    NotAllowedError,
    NotFoundError,
)
from api.http.parameters import Parameters
from pipeline.catalog.app.accounts import Application
from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.edits.errors import (
    EditRefusedError,
    NotInCatalogueError,
    UnknownFingerprintError,
)
from pipeline.runtime.databases import Databases
from pipeline.runtime.sentry import bind_account
from tasks.redis_state import catalogue_generation


class EditEndpoint(KeyedEndpoint):
    """A path that makes one edit of the catalogue for an admin.

    Args:
        access: checks and counts the requests.
        databases: the fingerprint database is changed.
        client: a Redis client, to end the generation of cached answers.
    """

    post_only: ClassVar[bool] = True

    def __init__(self, access: AccessControl, databases: Databases, client: redis.Redis) -> None:
        super().__init__(access)
        self.databases = databases
        self._client = client

    @abstractmethod
    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Make the edit; return the body of the reply.

        Raises:
            ApiError: a parameter is missing or not valid.
            EditRefusedError: the edit is not possible.
        """

    def prepare(self, request: ApiRequest) -> None:
        """Read the format of the reply, and check this server's role.

        Raises:
            UnknownFormatError: the format is unknown.
            NotAllowedError: this server is a replica, whose databases can't be changed.
        """
        super().prepare(request)
        if self.access.cluster.role != "master":
            raise NotAllowedError(
                "this server is a replica: send the request to the cluster's master"
            )

    def identify(self, request: ApiRequest) -> Application:
        """Return the application, and set `application_id` and `account_id` of the request.

        Raises:
            ApiError: a key is missing or not valid, or the user is not an admin.
        """
        application = super().identify(request)
        account = self.access.keys.admin(request.parameters, request.deadline)
        request.account_id = account.id
        bind_account(account.id)
        return application

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Make the edit. After the reply, no client gets an older answer."""
        self.access.maintenance.refuse(request.deadline)
        author = Author(request.account_id, need_note(request.parameters))
        try:
            made = self.edit(author, request.parameters)
        except UnknownFingerprintError as error:
            raise FingerprintNotFoundError(str(error)) from error
        except NotInCatalogueError as error:
            raise NotFoundError(str(error)) from error
        except EditRefusedError as error:
            raise ConflictError(str(error)) from error
        with suppress(RedisError):  # without Redis, answers are cached for a second at most
            catalogue_generation.renew(self._client)
        return made
