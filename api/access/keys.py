"""Finds the holders of API keys in the cache of the process, in Redis, or in the database."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final, Generic

import redis
import sqlalchemy as sa
from cachetools import TLRUCache

from api.access.app_reading import reading_app
from api.access.key_cache import Holder, RedisKeyCache, digest, time_to_live
from api.access.key_changes import KeyChanges
from api.access.redis_outage import RedisCircuitBreaker
from api.http.errors import (
    InvalidApiKeyError,
    InvalidUserApiKeyError,
    MissingParameterError,
    NotAllowedError,
)
from api.http.parameters import Parameters
from pipeline.catalog.app.accounts import (
    Account,
    Application,
    find_account,
    find_application,
)
from pipeline.catalog.app.keys.demo_application import DEMO_API_KEY
from pipeline.catalog.app.keys.key_text import is_possible
from pipeline.runtime.databases import Databases

CACHED: Final = 1000
"""Maximum number of keys of each kind in the cache of a process."""


class KeyTable(Generic[Holder]):
    """Finds the holders of keys of one kind. Thread-safe.

    Args:
        databases: the keys are in the app database.
        shared: the cache in Redis.
        breaker: skips Redis during an outage.
        query: reads the holder of a key from the database.
        clock: a monotonic clock, in seconds.
        before_caching: is called before a key is read for the cache.
    """

    def __init__(
        self,
        databases: Databases,
        shared: RedisKeyCache[Holder],
        breaker: RedisCircuitBreaker,
        query: Callable[[sa.Connection, str], Holder | None],
        clock: Callable[[], float] = time.monotonic,
        before_caching: Callable[[], None] = lambda: None,
    ) -> None:
        self._databases = databases
        self._shared = shared
        self._breaker = breaker
        self._query = query
        self._before_caching = before_caching
        self._lock = threading.Lock()
        self._discards = 0  # number of calls of `discard` and `clear`
        self._cache: TLRUCache[str, Holder | None] = TLRUCache(CACHED, _expires_at, clock)

    def find(self, key: str, deadline: float = math.inf) -> Holder | None:
        """Return the holder of a key, None if there is none.

        Args:
            key: any text.
            deadline: time at which a database query is cancelled, on the monotonic clock.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: no cache has the key, and the database is unreachable.
        """
        if not is_possible(key):
            return None
        key_digest = digest(key)
        try:
            with self._lock:
                return self._cache[key_digest]
        except KeyError:
            self._before_caching()
        with self._lock:
            discards = self._discards
        holder = self._find_shared(key, key_digest, deadline)
        with self._lock:
            if self._discards == discards:  # otherwise the key may have changed meanwhile
                self._cache[key_digest] = holder
        return holder

    def discard(self, key_digest: str) -> None:
        """Remove a key from the cache of this process, given its digest."""
        with self._lock:
            self._discards += 1
            self._cache.pop(key_digest, None)

    def clear(self) -> None:
        """Empty the cache of this process."""
        with self._lock:
            self._discards += 1
            self._cache.clear()

    def find_uncached(self, key: str, deadline: float = math.inf) -> Holder | None:
        """Return the holder of a key from the database; see `find`."""
        if not is_possible(key):
            return None
        with reading_app(self._databases, deadline) as connection:
            return self._query(connection, key)

    def publish(self, key: str, holder: Holder | None) -> None:
        """Update both caches after the holder of a key has changed; None if it has none now."""
        self._breaker.call(lambda: self._shared.publish(key, holder), None)
        self.discard(digest(key))

    def _find_shared(self, key: str, key_digest: str, deadline: float) -> Holder | None:
        shared = self._breaker.call(lambda: self._shared.find(key_digest), None)
        if shared is not None and (shared[0] is None or time_to_live(shared[0]) > 0):
            return shared[0]
        holder = self.find_uncached(key, deadline)
        self._breaker.call(lambda: self._shared.add(key_digest, holder), None)
        return holder


class ApiKeys:
    """Finds the application and the account of a request by their keys.

    Args:
        databases: the keys are in the app database.
        client: a Redis client with a short timeout.
        breaker: skips Redis during an outage.
        demo: whether the demo application is enabled.
    """

    def __init__(
        self,
        databases: Databases,
        client: redis.Redis,
        breaker: RedisCircuitBreaker,
        *,
        demo: bool,
    ) -> None:
        self._changes = KeyChanges(client)
        self.applications = KeyTable(
            databases,
            RedisKeyCache(client, Application),
            breaker,
            find_application,
            before_caching=self._changes.follow,
        )
        self.accounts = KeyTable(
            databases,
            RedisKeyCache(client, Account),
            breaker,
            find_account,
            before_caching=self._changes.follow,
        )
        self._changes.tables = {"application": self.applications, "account": self.accounts}
        self._demo = demo

    def close(self) -> None:
        """Stop following the changes of keys."""
        self._changes.close()

    def application(self, parameters: Parameters, deadline: float = math.inf) -> Application:
        """Return the application whose key is in the parameter ``client``.

        Args:
            parameters: the parameters of the request.
            deadline: time at which a database query is cancelled, on the monotonic clock.

        Raises:
            MissingParameterError: there is no ``client``.
            InvalidApiKeyError: the key is unknown or disabled, or it is the disabled demo key.
        """
        key = parameters.get("client")
        if not key:
            raise MissingParameterError("client")
        if key == DEMO_API_KEY and not self._demo:
            raise InvalidApiKeyError(
                "the demo application is disabled on this server: use your own application's key"
            )
        application = self.applications.find(key, deadline)
        if application is None:
            raise InvalidApiKeyError(self._client_hint(key, deadline))
        return application

    def active_application(self, key: str) -> Application | None:
        """Return the active application with a key, None if there is none."""
        if key == DEMO_API_KEY and not self._demo:
            return None
        return self.applications.find(key)

    def account(self, parameters: Parameters, deadline: float = math.inf) -> Account:
        """Return the account whose key is in the parameter ``user``; see `application`.

        Raises:
            MissingParameterError: there is no ``user``.
            InvalidUserApiKeyError: the key is unknown.
        """
        key = parameters.get("user")
        if not key:
            raise MissingParameterError("user")
        account = self.accounts.find(key, deadline)
        if account is None:
            raise InvalidUserApiKeyError(self._user_hint(key, deadline))
        return account

    def admin(self, parameters: Parameters, deadline: float = math.inf) -> Account:
        """Return the admin whose key is in the parameter ``user``; see `account`.

        The role is read from the database, not from a cache, so that a change applies at once.

        Raises:
            MissingParameterError: there is no ``user``.
            InvalidUserApiKeyError: the key is unknown.
            NotAllowedError: the account is not an admin.
        """
        account = self.account(parameters, deadline)
        current = self.accounts.find_uncached(parameters.get("user") or "", deadline)
        if current is None or not current.is_admin:
            raise NotAllowedError('"user" must be the key of an admin')
        return account

    def _client_hint(self, key: str, deadline: float) -> str:
        if self.accounts.find(key, deadline) is not None:
            return '"client" has the key of a user: send it as "user"'
        return '"client" must be the key of an active application registered on this server'

    def _user_hint(self, key: str, deadline: float) -> str:
        if self.applications.find(key, deadline) is not None:
            return '"user" has the key of an application: send it as "client"'
        return '"user" must be the key of a user of this server'


def _expires_at(_digest: str, holder: Application | Account | None, now: float) -> float:
    return now + time_to_live(holder)
