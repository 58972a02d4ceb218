"""Who holds a key: asked of this process, then of Redis, then of the database."""

import math
import time
from collections.abc import Callable
from typing import Final, Generic

import redis
import sqlalchemy as sa

from api.access.key_cache import HIT_TTL, MISS_TTL, Holder, SharedKeys, TtlCache, digest
from api.access.redis_outage import RedisWatch
from api.http.errors import InvalidApiKeyError, InvalidUserApiKeyError, MissingParameterError
from api.http.parameters import Parameters
from pipeline.catalog.app.accounts import (
    DEMO_API_KEY,
    Account,
    Application,
    find_account,
    find_application,
)
from pipeline.runtime.databases import SHORTEST_LIMIT, Databases, limit_statements

CACHED: Final = 1000
"""Keys of each kind that a process remembers."""

_LONGEST: Final = 100  # no key was ever longer, and none holds a NUL, which PostgreSQL refuses


class KeyFinder(Generic[Holder]):
    """Finds the holders of one kind of key.

    Args:
        databases: the last to be asked.
        shared: the cache that all processes share.
        watch: notices when Redis is away.
        query: asks the database.
        clock: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        databases: Databases,
        shared: SharedKeys[Holder],
        watch: RedisWatch,
        query: Callable[[sa.Connection, str], Holder | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._databases = databases
        self._shared = shared
        self._watch = watch
        self._query = query
        self._own: TtlCache[Holder | None] = TtlCache(CACHED, clock)

    def find(self, key: str, deadline: float = math.inf) -> Holder | None:
        """Return who holds a key, None for nobody.

        Args:
            key: any text.
            deadline: until when the database may look for it, on the monotonic clock.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: neither cache knows, and the database is away.
        """
        if len(key) > _LONGEST or "\0" in key:
            return None
        key_digest = digest(key)
        known = self._own.get(key_digest)
        if known is None:
            known = (self._ask(key, key_digest, deadline),)
            self._own.put(key_digest, known[0], MISS_TTL if known[0] is None else HIT_TTL)
        return known[0]

    def find_now(self, key: str, deadline: float = math.inf) -> Holder | None:
        """Return who holds a key, past all caches; see `find`."""
        if len(key) > _LONGEST or "\0" in key:
            return None
        with self._databases.engine("app").connect() as connection:
            if deadline < math.inf:
                limit_statements(connection, max(deadline - time.monotonic(), SHORTEST_LIMIT))
            return self._query(connection, key)

    def publish(self, key: str, holder: Holder | None) -> None:
        """Tell both caches who holds a key from now on."""
        self._own.forget(digest(key))
        self._watch.ask(lambda: self._shared.publish(key, holder), None)

    def _ask(self, key: str, key_digest: str, deadline: float) -> Holder | None:
        shared = self._watch.ask(lambda: self._shared.find(key_digest), None)
        if shared is not None:
            return shared[0]
        holder = self.find_now(key, deadline)
        self._watch.ask(lambda: self._shared.learn(key_digest, holder), None)
        return holder


class Keys:
    """Both kinds of keys, and what a client is told of one that is not valid.

    Args:
        databases: where the keys are.
        client: to Redis, with a short time-out.
        watch: notices when Redis is away.
        demo: whether the demo application may be used.
    """

    def __init__(
        self, databases: Databases, client: redis.Redis, watch: RedisWatch, *, demo: bool
    ) -> None:
        self.applications = KeyFinder(
            databases, SharedKeys(client, Application), watch, find_application
        )
        self.accounts = KeyFinder(databases, SharedKeys(client, Account), watch, find_account)
        self._demo = demo

    def application(self, parameters: Parameters, deadline: float = math.inf) -> Application:
        """Return the application that ``client`` names.

        Args:
            parameters: the request's.
            deadline: until when the database may look for it, on the monotonic clock.

        Raises:
            MissingParameterError: there is no ``client``.
            InvalidApiKeyError: nobody holds it, it is disabled, or it is the demo key that is off.
        """
        key = parameters.get("client")
        if not key:
            raise MissingParameterError("client")
        if key == DEMO_API_KEY and not self._demo:
            raise InvalidApiKeyError(
                'the demo application is switched off here: use your own "client"'
            )
        application = self.applications.find(key, deadline)
        if application is None:
            raise InvalidApiKeyError(self._client_hint(key, deadline))
        return application

    def active_application(self, key: str) -> Application | None:
        """Return the application that may be used with a key, None for none."""
        if key == DEMO_API_KEY and not self._demo:
            return None
        return self.applications.find(key)

    def account(self, parameters: Parameters, deadline: float = math.inf) -> Account:
        """Return the account that ``user`` names; see `application`.

        Raises:
            MissingParameterError: there is no ``user``.
            InvalidUserApiKeyError: nobody holds it.
        """
        key = parameters.get("user")
        if not key:
            raise MissingParameterError("user")
        account = self.accounts.find(key, deadline)
        if account is None:
            raise InvalidUserApiKeyError(self._user_hint(key, deadline))
        return account

    def _client_hint(self, key: str, deadline: float) -> str:
        if self.accounts.find(key, deadline) is not None:
            return 'the key in "client" is a user\'s: send it as "user", an application\'s here'
        return '"client" must be the key of an active application registered on this server'

    def _user_hint(self, key: str, deadline: float) -> str:
        if self.applications.find(key, deadline) is not None:
            return 'the key in "user" is an application\'s: send it as "client", a user\'s here'
        return '"user" must be the key of a user of this server'
