"""The settings of the whole service: frozen, validated once, passed in to whoever needs them.

Each model is one section of ``acoustid.conf`` and each attribute one option, so that a name means
the same in the file, in the environment and in the code. `pipeline.settings.load` fills them in;
`docs/configuration.md` says what each is for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from pipeline.settings.option_types import (
    Dsn,
    Host,
    IndexName,
    Level,
    MetricPrefix,
    Name,
    Port,
    RateLimit,
    Replicas,
    Servers,
    WebAddress,
    split_server,
)

if TYPE_CHECKING:
    import sqlalchemy


class Section(BaseModel):
    """What all sections share: immutable, no unknown names, no value in an error's text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class DatabaseSettings(Section):
    """One PostgreSQL database and the connection pool that each process keeps to it.

    Attributes:
        pool_size: most connections a process opens, without overflow; what only reads (lookups, in
            a worker) may have as many of its own.
        pool_recycle: seconds after which a connection is replaced, None for never.
        pool_pre_ping: test a pooled connection before use, so that a restarted server goes
            unnoticed: whether it was closed, and after 10 s of rest whether the server answers.
        pool_timeout: seconds to wait for a free connection before giving up.
    """

    name: Name = "acoustid"
    user: Name = "acoustid"
    password: SecretStr = SecretStr("")
    host: Host = "localhost"
    port: Port = 5432
    pool_size: Annotated[int, Field(ge=1)] = 20
    pool_recycle: Annotated[int, Field(ge=1)] | None = 3600
    pool_pre_ping: bool = True
    pool_timeout: Annotated[float, Field(gt=0)] = 2.0

    def url(self) -> "sqlalchemy.URL":
        """Return the address for SQLAlchemy; its text form masks the password."""
        # Two thirds of this module's start-up time, and a client needs no database.
        import sqlalchemy  # noqa: PLC0415

        return sqlalchemy.URL.create(
            "postgresql+psycopg2",
            username=self.user,
            password=self.password.get_secret_value() or None,
            host=self.host,
            port=self.port,
            database=self.name,
        )


class AppDatabaseSettings(DatabaseSettings):
    """Accounts, applications and statistics."""

    name: Name = "acoustid_app"


class FingerprintDatabaseSettings(DatabaseSettings):
    """Fingerprints, tracks, their links to MBIDs, and the changelog that feeds the index."""

    name: Name = "acoustid_fingerprint"


class IngestDatabaseSettings(DatabaseSettings):
    """Submissions as received, and what became of them."""

    name: Name = "acoustid_ingest"


class MusicbrainzDatabaseSettings(DatabaseSettings):
    """A MusicBrainz mirror, read only."""

    name: Name = "musicbrainz"


class RedisSettings(Section):
    """The Redis (or Valkey) server: broker, replies, key cache and rate limiter."""

    host: Host = "localhost"
    port: Port = 6379
    db: Annotated[int, Field(ge=0)] = 0
    username: str | None = None
    password: SecretStr | None = None

    def url(self, db: int | None = None) -> str:
        """Return ``redis://...`` with the password in clear: for a client, never for a log.

        Args:
            db: another database number of the same server, such as one for caches.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        number = self.db if db is None else db
        return f"redis://{self._credentials()}{host}:{self.port}/{number}"

    def _credentials(self) -> str:
        password = self.password.get_secret_value() if self.password else ""
        if not (self.username or password):
            return ""
        return f"{quote(self.username or '', safe='')}:{quote(password, safe='')}@"


class NatsSettings(Section):
    """The ingest bridge; no part of this version, so `servers` must stay empty."""

    servers: Servers = ()
    stream: Name = "acoustid_submissions"
    consumer: Name = "acoustid_worker"


class FingerprintIndexSettings(Section):
    """The inverted index: a directory of this machine (`local`) or a server (`http`).

    Attributes:
        replicas: further servers of the same index, ``host`` or ``host:port``; searched, not
            written.
        timeout: seconds that a server, or one after the other, may take for a batch of searches.
        connections: searches that a process has under way at once.
    """

    protocol: Literal["local", "http"] = "local"
    path: Path = Path("data/index")
    host: Host = "localhost"
    port: Port = 6081
    name: IndexName = "main"
    replicas: Replicas = ()
    timeout: Annotated[float, Field(gt=0)] = 5.0
    connections: Annotated[int, Field(ge=1)] = 4

    def servers(self) -> list[tuple[str, int]]:
        """Return host and port of every server, first the one that is written."""
        further = [split_server(each, default_port=self.port) for each in self.replicas]
        return [(self.host, self.port), *further]


class FingerprintStoreSettings(Section):
    """A copy of the fingerprints in files, from which lookups read without SQL."""

    enabled: bool = True
    path: Path = Path("data/fingerprints")


class RateLimiterSettings(Section):
    """Requests a second, averaged over the window of 20 s; 0 is no limit."""

    global_limit: RateLimit = 100.0
    app_limit: RateLimit = 10.0
    ip_limit: RateLimit = 3.0


class ClusterSettings(Section):
    """What this installation is called and which part it plays.

    Attributes:
        secret: guards the internal API, which stays shut without one.
    """

    role: Literal["master", "replica"] = "master"
    name: Name = "acoustid"
    secret: SecretStr | None = None
    rate_limiter: RateLimiterSettings = RateLimiterSettings()


class SentrySettings(Section):
    """Error tracking; off without a DSN."""

    dsn: Dsn | None = None
    environment: Name = "production"
    traces_sample_rate: Annotated[float, Field(ge=0, le=1)] = 0.1


class LoggingSettings(Section):
    """Levels and form of the log.

    Attributes:
        levels: logger name to level, from the options ``level_<logger>``.
    """

    level: Level = "INFO"
    format: Literal["text", "json"] = "text"
    levels: Mapping[str, Level] = Field(default_factory=dict)


class StatsdSettings(Section):
    """Where the metrics go; off without a host."""

    host: Host | None = None
    port: Port = 8125
    prefix: MetricPrefix = "acoustid"


class FeatureSettings(Section):
    """What is allowed beyond the public protocol."""

    async_api: bool = False
    demo_key: bool = False


class ApiSettings(Section):
    """The web front end.

    Attributes:
        trusted_proxies: how many proxies stand before it, whose entries count in
            X-Forwarded-For and X-Forwarded-Proto.
        lookup_timeout: seconds from a request's arrival until the client is told to come again.
        submit_timeout: the same for a submission.
        lookup_batch_size: most lookups in one batch.
        lookup_batches_in_flight: most unanswered batches of a front-end process.
        lookup_hold_back: least seconds between two batches while one is unanswered, unless half a
            batch waits.
        answer_cache: whether a lookup that was asked before is answered from memory.
        cache_generation: whether the catalogue's generation is kept until Redis tells that it has
            changed.
        one_core: whether a front-end process keeps to one core.
        musicbrainz_userinfo_url: whom to ask whose a MusicBrainz access token is.
    """

    trusted_proxies: Annotated[int, Field(ge=0)] = 0
    lookup_timeout: Annotated[float, Field(gt=0)] = 10.0
    submit_timeout: Annotated[float, Field(gt=0)] = 10.0
    lookup_batch_size: Annotated[int, Field(ge=1)] = 100
    lookup_batches_in_flight: Annotated[int, Field(ge=1)] = 2
    lookup_hold_back: Annotated[float, Field(ge=0)] = 0.025
    answer_cache: bool = True
    cache_generation: bool = True
    one_core: bool = False
    musicbrainz_userinfo_url: WebAddress = "https://musicbrainz.org/oauth2/userinfo"


class HttpSettings(Section):
    """What a client may use of the front end. Times are in seconds, sizes in bytes.

    Attributes:
        threads: requests that a front-end process works on at a time.
        connections: open connections.
        connections_per_client: the same of one client address.
        requests_per_client: requests of one client address that are worked on at a time.
        half_read_bodies: requests whose body has arrived in part.
        half_read_bodies_per_client: the same of one client address.
        buffered_bytes: bytes of all request bodies in memory.
        buffered_bytes_per_client: the same of one client address.
        header_timeout: time for the headers of a request, from their first byte.
        idle_timeout: time that a connection may be open without a request.
        body_timeout: time for the body of a request.
        body_rate: bytes per second that a body must arrive at, after its first 5 seconds.
        reply_timeout: time in which the client must read the next 64 KiB of a reply.
    """

    threads: Annotated[int, Field(ge=1)] = 128
    connections: Annotated[int, Field(ge=1)] = 4096
    connections_per_client: Annotated[int, Field(ge=1)] = 100
    requests_per_client: Annotated[int, Field(ge=1)] = 32
    half_read_bodies: Annotated[int, Field(ge=1)] = 512
    half_read_bodies_per_client: Annotated[int, Field(ge=1)] = 64
    buffered_bytes: Annotated[int, Field(ge=2**20)] = 268_435_456
    buffered_bytes_per_client: Annotated[int, Field(ge=2**20)] = 33_554_432
    header_timeout: Annotated[float, Field(gt=0)] = 10.0
    idle_timeout: Annotated[float, Field(gt=0)] = 60.0
    body_timeout: Annotated[float, Field(gt=0)] = 30.0
    body_rate: Annotated[float, Field(ge=0)] = 1024.0
    reply_timeout: Annotated[float, Field(gt=0)] = 30.0


class CelerySettings(Section):
    """How the workers run.

    Attributes:
        fast_path: whether any part of the fast path of lookups is on.
        fuse_lookup_stages: run all stages of a batch of lookups in one task.
        keep_producer: publish batches of lookups on a connection that is kept for them.
        acknowledge_lookups: keep messages of lookups at the broker until their task has ended.
        lookup_pool: Celery's pool for the workers of the lookup queue.
    """

    fast_path: bool = True
    fuse_lookup_stages: bool = True
    keep_producer: bool = True
    acknowledge_lookups: bool = False
    lookup_pool: Literal["solo", "prefork", "threads"] = "solo"


class Settings(Section):
    """Everything there is to configure.

    A read-only twin (``database_ro`` ...) equals its main section wherever it is not set itself.

    Attributes:
        sources: where each option that is not at its default came from, by its INI name
            (``"cluster.rate_limiter.ip_limit"``); for `cli.commands.service.config`.
    """

    database: AppDatabaseSettings = AppDatabaseSettings()
    database_ro: AppDatabaseSettings = AppDatabaseSettings()
    database_fingerprint: FingerprintDatabaseSettings = FingerprintDatabaseSettings()
    database_fingerprint_ro: FingerprintDatabaseSettings = FingerprintDatabaseSettings()
    database_ingest: IngestDatabaseSettings = IngestDatabaseSettings()
    database_ingest_ro: IngestDatabaseSettings = IngestDatabaseSettings()
    database_musicbrainz: MusicbrainzDatabaseSettings = MusicbrainzDatabaseSettings()
    database_musicbrainz_ro: MusicbrainzDatabaseSettings = MusicbrainzDatabaseSettings()
    redis: RedisSettings = RedisSettings()
    nats: NatsSettings = NatsSettings()
    fingerprint_index: FingerprintIndexSettings = FingerprintIndexSettings()
    fingerprint_store: FingerprintStoreSettings = FingerprintStoreSettings()
    cluster: ClusterSettings = ClusterSettings()
    sentry: SentrySettings = SentrySettings()
    logging: LoggingSettings = LoggingSettings()
    statsd: StatsdSettings = StatsdSettings()
    features: FeatureSettings = FeatureSettings()
    api: ApiSettings = ApiSettings()
    http: HttpSettings = HttpSettings()
    celery: CelerySettings = CelerySettings()
    sources: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)
