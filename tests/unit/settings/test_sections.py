"""The sections: defaults, URLs, immutability, hidden secrets."""

import pickle

import pytest
from pydantic import SecretStr, ValidationError

from pipeline.settings.sections import (
    DatabaseSettings,
    LoggingSettings,
    RedisSettings,
    SentrySettings,
    Settings,
)


def test_defaults_name_the_four_databases() -> None:
    settings = Settings()
    assert [
        settings.database.name,
        settings.database_fingerprint.name,
        settings.database_ingest.name,
        settings.database_musicbrainz.name,
    ] == ["acoustid_app", "acoustid_fingerprint", "acoustid_ingest", "musicbrainz"]


def test_rate_limits_default_to_requests_a_second_for_a_whole_service() -> None:
    limits = Settings().cluster.rate_limiter
    assert (limits.global_limit, limits.app_limit, limits.ip_limit) == (100, 10, 3)


def test_statsd_sentry_and_the_internal_api_are_off_by_default() -> None:
    settings = Settings()
    assert settings.statsd.host is None
    assert settings.sentry.dsn is None
    assert settings.cluster.secret is None
    assert not settings.features.demo_key


def test_database_url_carries_any_password_and_masks_it() -> None:
    url = DatabaseSettings(name="db", password=SecretStr("p%s@s/:x")).url()
    assert url.drivername == "postgresql+psycopg2"
    assert url.password == "p%s@s/:x"
    assert str(url) == "postgresql+psycopg2://acoustid:***@localhost:5432/db"


def test_database_url_without_password_has_none() -> None:
    assert DatabaseSettings().url().password is None


def test_database_host_may_be_a_socket_directory() -> None:
    url = DatabaseSettings(host="/run/postgresql").url()
    assert url.host == "/run/postgresql"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (RedisSettings(), "redis://localhost:6379/0"),
        (RedisSettings(password=SecretStr("a/b@c%")), "redis://:a%2Fb%40c%25@localhost:6379/0"),
        (
            RedisSettings(username="u", password=SecretStr("p"), db=3),
            "redis://u:p@localhost:6379/3",
        ),
        (RedisSettings(host="::1"), "redis://[::1]:6379/0"),
        (RedisSettings(password=SecretStr("")), "redis://localhost:6379/0"),
    ],
)
def test_redis_url(settings: RedisSettings, url: str) -> None:
    assert settings.url() == url


def test_redis_url_of_another_database_of_the_server() -> None:
    assert RedisSettings(db=1).url(db=2) == "redis://localhost:6379/2"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().database.port = 1


def test_settings_can_be_pickled() -> None:
    settings = Settings(logging=LoggingSettings(levels={"x": "DEBUG"}))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


def test_no_secret_shows_in_the_text_of_settings() -> None:
    settings = Settings(
        database=Settings().database.model_copy(update={"password": SecretStr("hunter2")}),
        redis=RedisSettings(password=SecretStr("hunter2")),
    )
    assert "hunter2" not in f"{settings!r} {settings}"


def test_no_refused_value_shows_in_the_error() -> None:
    with pytest.raises(ValidationError) as caught:
        RedisSettings(host="redis://:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "dsn",
    ["hunter2", "https://host/1", "ftp://k@host/1", "https://k@[host/1", "https://k@host:x/1"],
)
def test_an_invalid_dsn_is_refused_and_not_quoted(dsn: str) -> None:
    with pytest.raises(ValidationError, match="https://KEY@HOST/PROJECT") as caught:
        SentrySettings.model_validate({"dsn": dsn})
    assert dsn not in str(caught.value)
