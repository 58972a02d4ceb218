"""Explains why a connection to Redis or PostgreSQL failed, in one line without secrets."""

import ssl

import redis
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.settings.sections import RedisSettings


def explain_unreachable(error: BaseException) -> str | None:
    """Return why a server cannot be used if this error or its cause says so, else None."""
    from sqlalchemy import exc  # noqa: PLC0415 - the supervisor only explains errors of Redis

    for each in (error, error.__cause__, error.__context__):
        if isinstance(each, redis.ConnectionError | RedisTimeoutError | InvalidResponse):
            return explain_redis(each)
        # An error with a statement is not one of the connection.
        if isinstance(each, exc.OperationalError) and each.statement is None:
            return f"PostgreSQL: {' '.join(str(each.orig).split())}"
    return None


def explain_redis(error: redis.RedisError, settings: RedisSettings | None = None) -> str:
    """Return why Redis cannot be used, and which option to check if TLS may be the cause.

    Args:
        error: the error of redis-py.
        settings: the settings of the connection, for its address.
    """
    where = f"Redis at {settings.host}:{settings.port}" if settings else "Redis"
    hint = _hint(error)
    return f"{where}: {str(error).rstrip('.')}{'. ' if hint else ''}{hint}"


def _hint(error: redis.RedisError) -> str:
    match error.__context__:
        case ssl.SSLCertVerificationError():
            return (
                "Check [redis] host and ssl_ca_certs: the server's certificate must contain the "
                "host, and ssl_ca_certs the certificate of the authority that signed it"
            )
        case TimeoutError() as cause if "handshake" in str(cause):
            return "The server did not answer the TLS handshake: check [redis] port and ssl"
        case ssl.SSLError():
            return (
                "Check [redis] port and ssl, and ssl_certfile and ssl_keyfile if the server "
                "requires a certificate of its clients"
            )
    closed = isinstance(error.__context__, ConnectionResetError | BrokenPipeError)
    if closed or "closed by server" in str(error) or isinstance(error, InvalidResponse):
        return "Check [redis] port and ssl: the server may require TLS"
    return ""
