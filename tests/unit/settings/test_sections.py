"""The models: defaults, addresses, immutability, no secret in sight."""

import pickle
from pathlib import Path

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
    """Defaults name the four databases."""
    settings = Settings()
    assert [
        settings.database.name,
        settings.database_fingerprint.name,
        settings.database_ingest.name,
        settings.database_musicbrainz.name,
    ] == ["acoustid_app", "acoustid_fingerprint", "acoustid_ingest", "musicbrainz"]


def test_rate_limits_default_to_requests_a_second_for_a_whole_service() -> None:
    """Rate limits default to requests a second for a whole service."""
    limits = Settings().cluster.rate_limiter
    assert (limits.global_limit, limits.app_limit, limits.ip_limit) == (100, 10, 3)


def test_what_needs_an_address_is_off_by_default() -> None:
    """What needs an address is off by default."""
    settings = Settings()
    assert settings.statsd.host is None
    assert settings.sentry.dsn is None
    assert settings.cluster.secret is None
    assert not settings.features.demo_key


def test_database_url_carries_any_password_and_masks_it() -> None:
    """Database url carries any password and masks it."""
    url = DatabaseSettings(name="db", password=SecretStr("p%s@s/:x")).url()
    assert url.drivername == "postgresql+psycopg2"
    assert url.password == "p%s@s/:x"
    assert str(url) == "postgresql+psycopg2://acoustid:***@localhost:5432/db"


def test_database_url_without_password_has_none() -> None:
    """Database url without password has none."""
    assert DatabaseSettings().url().password is None


def test_database_host_may_be_a_socket_directory() -> None:
    """Database host may be a socket directory."""
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
    """Redis url."""
    assert settings.url() == url


def test_redis_url_of_another_database_of_the_server() -> None:
    """Redis url of another database of the server."""
    assert RedisSettings(db=1).url(db=2) == "redis://localhost:6379/2"


def test_settings_cannot_be_changed() -> None:
    """Settings cannot be changed."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().database.port = 1


def test_settings_reach_another_process() -> None:
    """Settings reach another process."""
    settings = Settings(logging=LoggingSettings(levels={"x": "DEBUG"}))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


def test_no_secret_shows_in_the_text_of_settings() -> None:
    """No secret shows in the text of settings."""
    settings = Settings(
        database=Settings().database.model_copy(update={"password": SecretStr("hunter2")}),
        redis=RedisSettings(password=SecretStr("hunter2")),
    )
    assert "hunter2" not in f"{settings!r} {settings}"


def test_no_refused_value_shows_in_the_error() -> None:
    """No refused value shows in the error."""
    with pytest.raises(ValidationError) as caught:
        RedisSettings(host="redis://:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "dsn",
    ["hunter2", "https://host/1", "ftp://k@host/1", "https://k@[host/1", "https://k@host:x/1"],
)
def test_a_dsn_that_sentry_would_not_take_is_refused_without_quoting_it(dsn: str) -> None:
    """A dsn that sentry would not take is refused without quoting it."""
    with pytest.raises(ValidationError, match="https://KEY@HOST/PROJECT") as caught:
        SentrySettings.model_validate({"dsn": dsn})
    assert dsn not in str(caught.value)


def test_a_relative_index_path_stays_relative_to_the_working_directory() -> None:
    """A relative index path stays relative to the working directory."""
    assert Settings().fingerprint_index.path == Path("data/index")
