"""The settings of the service: one class for each section of ``acoustid.conf``.

Each field is an option of the same name, with its type and default. Objects are immutable and are
passed to the functions that need them. `pipeline.settings.load` creates them, and the package's
docstring says how to add an option.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from ssl import CERT_NONE, CERT_REQUIRED
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from pipeline.settings.option_types import (
    SYSTEM,
    BasicPassword,
    Days,
    Directory,
    Dsn,
    Host,
    IndexName,
    Level,
    MetricPrefix,
    Name,
    NatsName,
    NatsServers,
    Port,
    Postings,
    RateLimit,
    Replicas,
    ReplicationSource,
    RootCertificate,
    SslMode,
    Subject,
    WebAddress,
    split_server,
)
from pipeline.settings.system_certificates import system_certificates

if TYPE_CHECKING:
    import sqlalchemy
    from redis.credentials import CredentialProvider


class Section(BaseModel):
    """Base of all sections: immutable, rejects unknown names, no values in error messages."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


DATABASE_TLS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey")
"""The options of TLS in the sections of databases; libpq has parameters of the same names."""


class DatabaseSettings(Section):
    """One PostgreSQL database and the connection pool of each process.

    Attributes:
        pool_size: maximum number of connections of a process. The lookups of a worker have a
            second pool of this size.
        pool_recycle: seconds after which a connection is replaced, None for never.
        pool_pre_ping: test a pooled connection before use and replace it if it is closed. After
            1 s without use a ping tests whether the server replies.
        pool_timeout: seconds to wait for a free connection before an error.
        sslmode: libpq's parameter; None for libpq's default, which ``PGSSLMODE`` changes.
        sslrootcert: file of the certificates of the authorities that are trusted, or ``system``.
        sslcert: file of the client's certificate.
        sslkey: file of the key of `sslcert`.
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
    sslmode: SslMode | None = None
    sslrootcert: RootCertificate | None = None
    sslcert: Path | None = None
    sslkey: Path | None = None

    def url(self) -> "sqlalchemy.URL":
        """Return the URL for SQLAlchemy, with the parameters of TLS; its text masks the password.

        Functions that connect add `pipeline.runtime.databases.connect_arguments`.
        """
        # This import takes two thirds of the module's import time, and clients do not use it.
        import sqlalchemy  # noqa: PLC0415

        return sqlalchemy.URL.create(
            "postgresql+psycopg2",
            username=self.user,
            password=self.password.get_secret_value() or None,
            host=self.host,
            port=self.port,
            database=self.name,
            query=self._tls(),
        )

    def _tls(self) -> dict[str, str]:
        """Return libpq's parameters of TLS that are set."""
        values = {name: getattr(self, name) for name in DATABASE_TLS}
        if self.sslrootcert == SYSTEM:
            values["sslrootcert"] = system_certificates()
        return {name: str(value) for name, value in values.items() if value is not None}


class AppDatabaseSettings(DatabaseSettings):
    """Accounts, applications and statistics."""

    name: Name = "acoustid_app"


class FingerprintDatabaseSettings(DatabaseSettings):
    """Fingerprints, tracks, their links to MBIDs, and the changelog for the index."""

    name: Name = "acoustid_fingerprint"


class IngestDatabaseSettings(DatabaseSettings):
    """Submissions as received, with their state and result."""

    name: Name = "acoustid_ingest"


class MusicbrainzDatabaseSettings(DatabaseSettings):
    """A MusicBrainz mirror, read only."""

    name: Name = "musicbrainz"


REDIS_TLS: Final = (
    "ssl",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_cert_reqs",
    "ssl_check_hostname",
)
"""The options of TLS in the section of Redis; those of redis-py have the same names."""


class RedisSettings(Section):
    """The Redis (or Valkey) server: broker, replies, key cache and rate limiter.

    Attributes:
        ssl: whether all connections use TLS.
        ssl_ca_certs: file of certificates of authorities that are trusted in addition to those of
            the operating system.
        ssl_certfile: file of the client's certificate.
        ssl_keyfile: file of the key of `ssl_certfile`.
        ssl_cert_reqs: ``none`` accepts any certificate of the server.
        ssl_check_hostname: whether the certificate must contain `host`.
    """

    host: Host = "localhost"
    port: Port = 6379
    db: Annotated[int, Field(ge=0)] = 0
    username: str | None = None
    password: SecretStr | None = None
    ssl: bool = False
    ssl_ca_certs: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_cert_reqs: Literal["required", "none"] = "required"
    ssl_check_hostname: bool = True

    def url(self, db: int | None = None, *, login: bool = True) -> str:
        """Return ``redis://...`` with the password in plain text; not for logs.

        With TLS it is ``rediss://...``. Clients then also need the arguments that `tls` returns.

        Args:
            db: another database number of the same server.
            login: False leaves out user and password; the client needs `credentials` then.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        number = self.db if db is None else db
        scheme = "rediss" if self.ssl else "redis"
        return f"{scheme}://{self._login() if login else ''}{host}:{self.port}/{number}"

    def credentials(self) -> "CredentialProvider | None":
        """Return an object that gives user and password to redis-py; None without a password.

        Its text contains neither of them.
        """
        # Only beat and the workers use it; commands start without redis-py.
        from redis.credentials import UsernamePasswordCredentialProvider  # noqa: PLC0415

        password = self.password.get_secret_value() if self.password else ""
        if not (self.username or password):
            return None
        return UsernamePasswordCredentialProvider(self.username, password)

    def tls(self) -> dict[str, Any] | None:
        """Return the arguments of redis-py for TLS, without ``ssl``; None without TLS.

        They are also the values of Celery's ``broker_use_ssl`` and ``redis_backend_use_ssl``.
        """
        if not self.ssl:
            return None
        files = {
            "ssl_ca_certs": self.ssl_ca_certs,
            "ssl_certfile": self.ssl_certfile,
            "ssl_keyfile": self.ssl_keyfile,
        }
        verifies = self.ssl_cert_reqs == "required"
        return {
            "ssl_cert_reqs": CERT_REQUIRED if verifies else CERT_NONE,
            "ssl_check_hostname": verifies and self.ssl_check_hostname,
            **{name: str(path) for name, path in files.items() if path is not None},
        }

    def _login(self) -> str:
        password = self.password.get_secret_value() if self.password else ""
        if not (self.username or password):
            return ""
        return f"{quote(self.username or '', safe='')}:{quote(password, safe='')}@"


class NatsSettings(Section):
    """Submissions from NATS JetStream, and announcements of their final states.

    Attributes:
        servers: addresses of the servers of one cluster, ``nats://host:port``; without any, no
            process uses NATS.
        stream: the stream of the submissions; it is made if it is absent.
        consumer: the durable pull consumer of this service; it is made if it is absent.
        subject: the subject of the submissions; None for the name of the stream.
        dead_letter: the subject of refused messages; None for ``<stream>.rejected``.
        publish_subject: the subject of announcements; None for no announcements.
        max_pending: maximum number of submissions without a final state, above which no further
            messages are accepted.
        ack_wait: seconds after which the server delivers a message again that is not acknowledged.
        user: the user, if the servers have users.
        password: the password of `user`.
        token: the token, if the servers have one.
        credentials: the text of a credentials file, with a JWT and the seed of a key.
        ssl: whether all connections use TLS; an address ``tls://`` sets it too.
        ssl_ca_certs: file of certificates of authorities that are trusted in addition to those of
            the operating system.
        ssl_certfile: file of the client's certificate.
        ssl_keyfile: file of the key of `ssl_certfile`.
        ssl_cert_reqs: ``none`` accepts any certificate of the server.
        ssl_check_hostname: whether the certificate must contain the host of the server's address.
    """

    servers: NatsServers = ()
    stream: NatsName = "acoustid_submissions"
    consumer: NatsName = "acoustid_worker"
    subject: Subject | None = None
    dead_letter: Subject | None = None
    publish_subject: Subject | None = None
    max_pending: Annotated[int, Field(ge=1)] = 5000
    ack_wait: Annotated[float, Field(ge=1, le=3600)] = 30.0
    user: SecretStr | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    credentials: SecretStr | None = None
    ssl: bool = False
    ssl_ca_certs: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_cert_reqs: Literal["required", "none"] = "required"
    ssl_check_hostname: bool = True

    @property
    def uses_tls(self) -> bool:
        """Whether all connections use TLS."""
        return self.ssl or any(server.startswith("tls://") for server in self.servers)

    @property
    def submission_subject(self) -> str:
        """The subject of the submissions."""
        return self.subject or self.stream

    @property
    def dead_letter_subject(self) -> str:
        """The subject of refused messages."""
        return self.dead_letter or f"{self.stream}.rejected"

    @property
    def announces(self) -> bool:
        """Whether final states of submissions are announced."""
        return bool(self.servers and self.publish_subject)


class FingerprintIndexSettings(Section):
    """The inverted index: a local directory (`local`) or a server (`http`).

    Attributes:
        path: the directory; `load_settings` makes it absolute.
        replicas: further servers of the same index, ``host`` or ``host:port``, which are searched
            but not written.
        timeout: seconds for a batch of searches, including attempts on other servers.
        connections: maximum number of concurrent searches of a process.
        max_postings: maximum number of postings that find candidates of a lookup; 0 for an exact
            search. Only for a local index.
        sketch_rate: the sketch index has one of so many terms of a fingerprint; 0 for no sketch
            index. It is in local files, with both protocols.
        sketch_path: the directory of the sketch index; `load_settings` makes it absolute.
    """

    protocol: Literal["local", "http"] = "local"
    path: Directory = Path("data/index")
    host: Host = "localhost"
    port: Port = 6081
    name: IndexName = "main"
    replicas: Replicas = ()
    timeout: Annotated[float, Field(gt=0)] = 5.0
    connections: Annotated[int, Field(ge=1)] = 4
    max_postings: Postings = 0
    sketch_rate: Annotated[int, Field(ge=0, le=64)] = 0
    sketch_path: Directory = Path("data/sketch")

    @field_validator("max_postings")
    @classmethod
    def _refuse_on_server(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("protocol") == "http":
            raise ValueError(
                "works with protocol = local only: a search request has no such field; leave it "
                "out, and start your own server with `acoustid index serve --max-postings`"
            )
        return value

    @property
    def searches_files(self) -> bool:
        """Whether workers search local files: those of the index or of the sketch index."""
        return self.protocol == "local" or self.sketch_rate > 0

    def location(self) -> str:
        """Return the directory of a local index, or the name and the servers of another one."""
        if self.protocol == "local":
            return str(self.path)
        servers = ", ".join(f"{host}:{port}" for host, port in self.servers())
        return f"{self.name} on {servers}"

    def sketch_location(self) -> str:
        """Return the directory of the sketch index, or ``off``."""
        return str(self.sketch_path) if self.sketch_rate else "off"

    def servers(self) -> list[tuple[str, int]]:
        """Return host and port of every server; the first one is written."""
        further = [split_server(each, default_port=self.port) for each in self.replicas]
        return [(self.host, self.port), *further]


class FingerprintStoreSettings(Section):
    """A copy of the fingerprints in files, which lookups read instead of the database.

    Attributes:
        path: the directory; `load_settings` makes it absolute.
    """

    enabled: bool = True
    path: Directory = Path("data/fingerprints")

    def location(self) -> str:
        """Return the directory, or ``off``."""
        return str(self.path) if self.enabled else "off"


class RateLimiterSettings(Section):
    """Requests per second, averaged over a window of 20 s; 0 for no limit."""

    global_limit: RateLimit = 100.0
    app_limit: RateLimit = 10.0
    ip_limit: RateLimit = 3.0


class ClusterSettings(Section):
    """Name and role of this installation.

    Attributes:
        secret: the secret of the internal API, which is off without one.
        max_lag: seconds by which the index may be behind the database while lookups are answered;
            0 for any time.
    """

    role: Literal["master", "replica"] = "master"
    name: Name = "acoustid"
    secret: SecretStr | None = None
    max_lag: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 10.0
    rate_limiter: RateLimiterSettings = RateLimiterSettings()


class SentrySettings(Section):
    """Error reports to Sentry; off without a DSN."""

    dsn: Dsn | None = None
    environment: Name = "production"
    traces_sample_rate: Annotated[float, Field(ge=0, le=1)] = 0.1


class LoggingSettings(Section):
    """Levels and format of the log.

    Attributes:
        levels: logger name to level, from the options ``level_<logger>``.
        file_size: size in bytes at which `acoustid up` starts a new file of a log.
        old_files: number of older files of each log that `acoustid up` keeps.
    """

    level: Level = "INFO"
    format: Literal["text", "json"] = "text"
    levels: Mapping[str, Level] = Field(default_factory=dict)
    file_size: Annotated[int, Field(ge=1024)] = 10_485_760
    old_files: Annotated[int, Field(ge=1)] = 3


class StatsdSettings(Section):
    """StatsD metrics; off without a host."""

    host: Host | None = None
    port: Port = 8125
    prefix: MetricPrefix = "acoustid"


class FeatureSettings(Section):
    """Features beyond the public protocol.

    Attributes:
        hide_duration_mismatches: lookups leave out recordings that are over 30 s longer or shorter
            than all fingerprints of the track.
        second_chance: a lookup without results searches the sketch index too.
    """

    async_api: bool = False
    demo_key: bool = False
    hide_duration_mismatches: bool = False
    second_chance: bool = False


class ApiSettings(Section):
    """The web front end.

    Attributes:
        trusted_proxies: number of reverse proxies before the front end. Their entries in
            X-Forwarded-For and X-Forwarded-Proto are trusted.
        lookup_timeout: seconds after which a request that is not a submission gets an error.
        submit_timeout: the same for a submission.
        max_pending_submissions: number of pending submissions above which further ones are
            refused; 0 for no limit.
        lookup_batch_size: maximum number of lookups in a batch; excerpts and long fingerprints with
            a second chance count for several.
        lookup_batches_in_flight: maximum number of unanswered batches of a front-end process.
        lookup_hold_back: minimum seconds between two batches while one is unanswered and less than
            half a batch waits.
        answer_cache: keep the answers of lookups in memory.
        cache_generation: cache the catalogue's generation until Redis reports a change.
        one_core: run all threads of a front-end process on one core.
        musicbrainz_userinfo_url: URL that returns the user of a MusicBrainz access token.
        drain_time: seconds for which a front end still serves after SIGTERM, while its health
            checks fail.
    """

    trusted_proxies: Annotated[int, Field(ge=0)] = 0
    lookup_timeout: Annotated[float, Field(gt=0)] = 10.0
    submit_timeout: Annotated[float, Field(gt=0)] = 10.0
    max_pending_submissions: Annotated[int, Field(ge=0)] = 100_000
    lookup_batch_size: Annotated[int, Field(ge=1)] = 100
    lookup_batches_in_flight: Annotated[int, Field(ge=1)] = 2
    lookup_hold_back: Annotated[float, Field(ge=0)] = 0.025
    answer_cache: bool = True
    cache_generation: bool = True
    one_core: bool = False
    musicbrainz_userinfo_url: WebAddress = "https://musicbrainz.org/oauth2/userinfo"
    drain_time: Annotated[float, Field(ge=0)] = 0.0


class HttpSettings(Section):
    """Limits of the front end. Times are in seconds, sizes in bytes.

    Attributes:
        threads: maximum number of lookups that a front-end process handles at a time, and of
            other requests.
        connections: maximum number of open connections.
        connections_per_client: the same for one client address.
        requests_per_client: maximum number of requests of one client address at a time.
        half_read_bodies: maximum number of requests whose body has arrived in part.
        half_read_bodies_per_client: the same for one client address.
        buffered_bytes: maximum bytes of request bodies in memory.
        buffered_bytes_per_client: the same for one client address.
        header_timeout: time for the headers of a request, from their first byte.
        idle_timeout: time that a connection may stay open without a request.
        body_timeout: time for the body of a request.
        body_rate: minimum bytes per second of a body, after its first 5 seconds.
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
    """The workers, and the messages of lookups.

    Attributes:
        fast_path: use the fast path of lookups; if off, the next three fields have no effect.
        fuse_lookup_stages: run all stages of a batch of lookups in one task.
        keep_producer: publish batches of lookups on a connection that is kept open.
        acknowledge_lookups: acknowledge messages of lookups when their task has ended.
        lookup_pool: Celery's pool for the workers of the lookup queue.
        excerpt_queue: send lookups of excerpts to a queue and workers of their own.
    """

    fast_path: bool = True
    fuse_lookup_stages: bool = True
    keep_producer: bool = True
    acknowledge_lookups: bool = False
    lookup_pool: Literal["solo", "prefork", "threads"] = "solo"
    excerpt_queue: bool = False


class FlowerSettings(Section):
    """Flower, the web page about workers and tasks. Flower's own options take precedence.

    Attributes:
        password: the password of the user ``acoustid``; None for a password in a file that Flower
            creates (`tasks.flower.password_file`).
        max_tasks: number of tasks that Flower keeps in memory, about 6 KB each.
        read_only: whether Flower refuses to publish and revoke tasks, and to control workers.
    """

    address: Host = "127.0.0.1"
    port: Port = 5555
    password: BasicPassword | None = None
    max_tasks: Annotated[int, Field(ge=1)] = 10_000
    read_only: bool = True


class MusicbrainzSettings(Section):
    """How the copy of MusicBrainz follows MusicBrainz; a mirror is followed by its own tools.

    Attributes:
        replication_source: absolute path of a directory of replication packets, or the address of a
            server; None for an installation that loads dumps only.
        replication_token: the server's access token.
        replication_interval: seconds between two searches for new packets.
        max_lag: seconds by which the copy may be behind before the health check fails; 0 for any
            time. Without `replication_source` there is no check.
    """

    replication_source: ReplicationSource | None = None
    replication_token: SecretStr | None = None
    replication_interval: Annotated[float, Field(ge=60, le=604_800)] = 3600.0
    max_lag: Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)] = 86_400.0


class RetentionSettings(Section):
    """The time for which data is kept; 0 for ever.

    Attributes:
        receipts_days: receipts of submissions, after their final state.
        task_results_hours: results of background lookups, and errors of tasks.
        lookup_statistics_days: counts of lookups and of user agents.
        client_addresses_days: addresses in accounts and in the counts of user agents.
    """

    receipts_days: Days = 0.0
    task_results_hours: Annotated[float, Field(ge=0, le=87_600)] = 1.0
    lookup_statistics_days: Days = 0.0
    client_addresses_days: Days = 0.0

    @property
    def task_results_seconds(self) -> int:
        """`task_results_hours` in whole seconds; 0 for ever."""
        return math.ceil(self.task_results_hours * 3600)


class Settings(Section):
    """All sections.

    A section of a read-only database (``database_ro`` ...) has the values of its main section
    unless it sets them.

    Attributes:
        sources: file or variable of each option that is set, by section and option
            (``"cluster.rate_limiter.ip_limit"``); `acoustid config check` prints it.
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
    flower: FlowerSettings = FlowerSettings()
    musicbrainz: MusicbrainzSettings = MusicbrainzSettings()
    retention: RetentionSettings = RetentionSettings()
    sources: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)
