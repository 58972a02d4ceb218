"""Loading of settings: the files that are read, and the precedence of values."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.settings.load import load_settings
from tests.support.default_settings import default_settings

SEED = """
[database]
name = acoustid_app
user = acoustid
host = postgres
port = 5432
pool_size = 20
pool_recycle = 3600
[database_fingerprint]
name = acoustid_fingerprint
host = postgres
[database_ingest]
name = acoustid_ingest
[database_musicbrainz]
name = musicbrainz_db
user = acoustid_readonly
host = musicbrainz-db
[redis]
host = redis
port = 6379
db = 0
[nats]
stream = acoustid_submissions
consumer = acoustid_worker
[fingerprint_index]
host = index
port = 6081
protocol = local
[cluster]
role = master
name = acoustid-prod
[cluster.rate_limiter]
global_limit = 3
ip_limit = 3
[sentry]
dsn = https://key%40@sentry.io/1
environment = production
traces_sample_rate = 0.1
[logging]
level = INFO
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration file and returns its environment."""

    def write_file(text: str) -> Path:
        path = tmp_path / "some.conf"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def test_without_file_and_environment_all_is_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == default_settings(tmp_path)


def test_sections_and_options_of_the_file_are_read(write: Write) -> None:
    settings = load_settings(write(SEED), {})
    assert settings.database.host == "postgres"
    assert settings.database_musicbrainz.user == "acoustid_readonly"
    assert settings.cluster.name == "acoustid-prod"
    assert settings.cluster.rate_limiter.global_limit == 3
    assert settings.cluster.rate_limiter.app_limit == 10
    assert settings.sentry.dsn is not None
    assert settings.sentry.dsn.get_secret_value() == "https://key%40@sentry.io/1"


def test_the_environment_names_the_file(write: Write) -> None:
    path = write("[redis]\nhost = named\n")
    assert load_settings(environ={"ACOUSTID_CONFIG": str(path)}).redis.host == "named"


def test_an_argument_takes_precedence_over_acoustid_config(write: Write) -> None:
    path = write("[redis]\nhost = given\n")
    settings = load_settings(path, {"ACOUSTID_CONFIG": "/nowhere/acoustid.conf"})
    assert settings.redis.host == "given"


def test_the_file_of_the_working_directory_is_read_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acoustid.conf").write_text("[redis]\nhost = here\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).redis.host == "here"


def test_the_default_environment_is_that_of_the_process(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACOUSTID_REDIS_HOST", "from-process")
    assert load_settings(write("")).redis.host == "from-process"


def test_a_variable_takes_precedence_over_the_option_in_the_file(write: Write) -> None:
    path = write("[redis]\nhost = file\nport = 7000\n")
    redis = load_settings(path, {"ACOUSTID_REDIS_HOST": "environment"}).redis
    assert (redis.host, redis.port) == ("environment", 7000)


def test_a_variable_sets_a_section_that_the_file_lacks(write: Write) -> None:
    settings = load_settings(
        write("[redis]\n"),
        {
            "ACOUSTID_FINGERPRINT_INDEX_HOST": "index.example.com",
            "ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT": "0.5",
        },
    )
    assert settings.fingerprint_index.host == "index.example.com"
    assert settings.cluster.rate_limiter.ip_limit == 0.5


def test_percent_signs_have_no_special_meaning(write: Write) -> None:
    path = write("[database]\npassword = p%ss%(name)s%%\n")
    settings = load_settings(path, {"ACOUSTID_REDIS_PASSWORD": "50%"})
    assert settings.database.password.get_secret_value() == "p%ss%(name)s%%"
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "50%"


def test_values_may_have_the_characters_of_comments_and_assignments(write: Write) -> None:
    path = write("[database]\npassword = a=b#c;d: e\n")
    assert load_settings(path, {}).database.password.get_secret_value() == "a=b#c;d: e"


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "yes", "on"])
def test_texts_that_mean_true(text: str, write: Write) -> None:
    assert load_settings(write(f"[features]\nasync_api = {text}\n"), {}).features.async_api
    assert load_settings(write(""), {"ACOUSTID_FEATURES_ASYNC_API": text}).features.async_api


@pytest.mark.parametrize("text", ["0", "false", "No", "off"])
def test_texts_that_mean_false(text: str, write: Write) -> None:
    environ = {"ACOUSTID_DATABASE_POOL_PRE_PING": text}
    assert not load_settings(write(""), environ).database.pool_pre_ping


def test_levels_are_read_in_any_case_from_both_sources(write: Write) -> None:
    path = write("[logging]\nlevel = debug\nlevel_acoustid = Warning\nlevel_a__b = error\n")
    logging = load_settings(path, {"ACOUSTID_LOGGING_LEVEL_ACOUSTID": "info"}).logging
    assert logging.level == "DEBUG"
    assert logging.levels == {"acoustid": "INFO", "a.b": "ERROR"}


@pytest.mark.parametrize(
    "environ",
    [
        {"ACOUSTID_STATSD_HOST": ""},
        {"ACOUSTID_SENTRY_DSN": ""},
        {"ACOUSTID_CLUSTER_SECRET": ""},
        {"ACOUSTID_REDIS_PASSWORD": ""},
        {"ACOUSTID_NATS_SERVERS": ""},
        {"ACOUSTID_DATABASE_PASSWORD": ""},
    ],
)
def test_an_empty_variable_is_none_for_optional_options(
    environ: dict[str, str], write: Write
) -> None:
    settings = load_settings(write(""), environ)
    assert settings.model_copy(update={"sources": {}}) == default_settings()


def test_recycling_can_be_turned_off(write: Write) -> None:
    settings = load_settings(write("[database]\npool_recycle =\n"), {})
    assert settings.database.pool_recycle is None


def test_a_read_only_twin_inherits_the_file_and_the_environment(write: Write) -> None:
    path = write("[database_fingerprint]\nhost = main\nport = 6000\npassword = secret\n")
    settings = load_settings(path, {"ACOUSTID_DATABASE_FINGERPRINT_HOST": "override"})
    assert settings.database_fingerprint_ro == settings.database_fingerprint
    assert settings.database_fingerprint_ro.host == "override"
    assert settings.database_fingerprint_ro.port == 6000


def test_a_read_only_twin_keeps_its_own_values(write: Write) -> None:
    path = write("[database]\nhost = main\nport = 6000\n[database_ro]\nhost = replica\n")
    environ = {"ACOUSTID_DATABASE_HOST": "override", "ACOUSTID_DATABASE_RO_POOL_SIZE": "7"}
    settings = load_settings(path, environ)
    assert (settings.database.host, settings.database.pool_size) == ("override", 20)
    replica = settings.database_ro
    assert (replica.host, replica.port, replica.pool_size) == ("replica", 6000, 7)


def test_a_read_only_twin_does_not_change_its_main_section(write: Write) -> None:
    settings = load_settings(write(""), {"ACOUSTID_DATABASE_INGEST_RO_HOST": "replica"})
    assert settings.database_ingest.host == "localhost"
    assert settings.database_ingest_ro.host == "replica"


def test_databases_do_not_inherit_from_one_another(write: Write) -> None:
    settings = load_settings(write(""), {"ACOUSTID_DATABASE_HOST": "one"})
    assert settings.database_fingerprint.host == "localhost"


def test_the_source_of_every_given_value_is_kept(write: Write) -> None:
    path = write("[redis]\nhost = r\n")
    sources = load_settings(path, {"ACOUSTID_DATABASE_PORT": "1"}).sources
    assert sources == {
        "redis.host": f"{path}: [redis] host",
        "database.port": "ACOUSTID_DATABASE_PORT",
        "database_ro.port": "ACOUSTID_DATABASE_PORT",
    }
