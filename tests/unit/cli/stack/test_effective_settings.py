"""The effective configuration: the user's settings, then those of embedded servers."""

import os
import stat
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import UserConfig, with_absolute_paths, write_effective
from cli.stack.files.configuration_mark import find_mark, mark_of
from cli.stack.processes.child_process import SAFE_PATH
from cli.stack.stack import child_environment
from cli.stack.stack_record import StackRecord
from pipeline.settings.load import load_settings
from pipeline.settings.sections import Settings
from tasks.flower.password_file import password_of
from tests.support.tls_files import TlsFiles

RECORD = StackRecord().with_ports(postgres=5001, valkey=5002)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    """A data directory, and a working directory without a configuration."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    made = DataDir.at(tmp_path / "data")
    made.create()
    return made


def effective(data: DataDir, environ: dict[str, str]) -> Settings:
    return write_effective(data, UserConfig.read(environ), RECORD)


def test_processes_get_the_secrets_from_the_file_only(data: DataDir) -> None:
    written = {
        "ACOUSTID_REDIS_HOST": "redis.example",
        "ACOUSTID_REDIS_PASSWORD": "marker-1",
        "ACOUSTID_DATABASE_INGEST_HOST": "postgres.example",
        "ACOUSTID_DATABASE_INGEST_PASSWORD": "marker-2",
        "ACOUSTID_CLUSTER_SECRET": "marker-3",
        "ACOUSTID_SENTRY_DSN": "https://marker-4@sentry.example/1",
        "PGPASSWORD": "marker-5",
        "PATH": "/bin",
    }
    settings = effective(data, written)
    passed = child_environment(data, UserConfig.read(written))
    assert passed == {
        "ACOUSTID_REDIS_HOST": "redis.example",
        "ACOUSTID_DATABASE_INGEST_HOST": "postgres.example",
        "PATH": "/bin",
        "ACOUSTID_CONFIG": str(data.config),
        **SAFE_PATH,
    }
    read = load_settings(environ=passed)
    assert read.redis == settings.redis
    assert read.cluster.secret == settings.cluster.secret
    assert read.sentry == settings.sentry


def test_everything_is_embedded_by_default(data: DataDir) -> None:
    user = UserConfig.read({})
    settings = write_effective(data, user, RECORD)
    assert user.embeds_redis
    assert {
        (each.host, each.port, each.name)
        for each in (
            settings.database,
            settings.database_fingerprint,
            settings.database_ingest,
            settings.database_musicbrainz_ro,
        )
    } == {
        ("127.0.0.1", 5001, name)
        for name in ("acoustid_app", "acoustid_fingerprint", "acoustid_ingest", "musicbrainz")
    }
    assert settings.database.password.get_secret_value() == RECORD.postgres_password
    assert (settings.redis.host, settings.redis.port) == ("127.0.0.1", 5002)
    assert settings.redis.password
    assert settings.redis.password.get_secret_value() == RECORD.valkey_password
    assert settings.fingerprint_index.path == data.index
    assert settings.features.demo_key
    assert settings.cluster.secret


def test_processes_in_another_directory_get_absolute_paths(data: DataDir) -> None:
    secrets = {"ACOUSTID_REDIS_PASSWORD_FILE": "redis", "ACOUSTID_REDIS_HOST": "redis"}
    environ = {**secrets, "ACOUSTID_FINGERPRINT_INDEX_PATH": "index", "HOME": "home"}
    assert with_absolute_paths(environ) == {
        **environ,
        "ACOUSTID_REDIS_PASSWORD_FILE": str(data.root.parent / "work" / "redis"),
        "ACOUSTID_FINGERPRINT_INDEX_PATH": str(data.root.parent / "work" / "index"),
    }


def test_the_limit_of_an_address_is_that_of_an_application(data: DataDir) -> None:
    assert effective(data, {}).cluster.rate_limiter.ip_limit == 10
    own = {"ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT": "0"}
    assert effective(data, own).cluster.rate_limiter.ip_limit == 0


def test_flower_has_the_password_of_the_stack_or_of_the_user(data: DataDir) -> None:
    assert password_of(effective(data, {}).flower) == RECORD.flower_password
    assert password_of(effective(data, {"ACOUSTID_FLOWER_PASSWORD": "mine"}).flower) == "mine"


def test_only_its_owner_can_read_it(data: DataDir) -> None:
    effective(data, {})
    assert stat.S_IMODE(data.config.stat().st_mode) == 0o600


def test_a_database_with_a_host_is_not_embedded(data: DataDir) -> None:
    environ = {
        "ACOUSTID_DATABASE_MUSICBRAINZ_HOST": "mb.example",
        "ACOUSTID_DATABASE_MUSICBRAINZ_USER": "reader",
    }
    user = UserConfig.read(environ)
    assert user.embedded_databases == (
        "database",
        "database_fingerprint",
        "database_ingest",
    )
    settings = write_effective(data, user, RECORD)
    mirror = settings.database_musicbrainz
    assert (mirror.host, mirror.port, mirror.user) == ("mb.example", 5432, "reader")
    assert mirror.password.get_secret_value() == ""
    assert settings.database.port == 5001


def test_a_redis_with_a_host_is_not_embedded(data: DataDir) -> None:
    user = UserConfig.read({"ACOUSTID_REDIS_HOST": "redis.example"})
    assert not user.embeds_redis
    settings = write_effective(data, user, RECORD)
    assert (settings.redis.host, settings.redis.port) == ("redis.example", 6379)
    assert settings.redis.password is None


def test_the_environment_precedes_the_file_and_the_file_precedes_the_defaults(
    data: DataDir,
) -> None:
    Path("mine.conf").write_text(
        "[database]\nhost = db.example\nname = tracks%of\n"
        "[features]\ndemo_key = false\n[logging]\nlevel = ERROR\nlevel_tasks__lookup = DEBUG\n"
    )
    settings = effective(
        data, {"ACOUSTID_CONFIG": "mine.conf", "ACOUSTID_LOGGING_LEVEL": "WARNING"}
    )
    assert settings.database.host == "db.example"
    assert settings.database.name == "tracks%of"
    assert not settings.features.demo_key
    assert settings.logging.level == "WARNING"
    assert settings.logging.levels == {"tasks.lookup": "DEBUG"}
    assert settings.database_ingest.port == 5001


def test_the_file_has_the_settings_of_the_environment(data: DataDir) -> None:
    """So a command in another shell, in another directory, uses the index of the stack."""
    Path("secret").write_text("of a file")
    Path("mine.conf").write_text(
        "[database]\nhost = db.example\npassword = replaced\n"
        "[logging]\nlevel_tasks.lookup = DEBUG\n[fingerprint_index]\nname = kept\n"
    )
    environ = {
        "ACOUSTID_CONFIG": "mine.conf",
        "ACOUSTID_FINGERPRINT_INDEX_PROTOCOL": "http",
        "ACOUSTID_FINGERPRINT_STORE_PATH": "store",
        "ACOUSTID_DATABASE_PASSWORD_FILE": "secret",
        "ACOUSTID_LOGGING_LEVEL_TASKS__LOOKUP": "ERROR",
        "ACOUSTID_REDIS_HOST": "redis.example",
        "ACOUSTID_REDIS_PASSWORD": "two\nlines",
    }
    own = effective(data, environ)
    other = load_settings(data.config, {})
    assert other.fingerprint_index == own.fingerprint_index
    assert (other.fingerprint_index.protocol, other.fingerprint_index.name) == ("http", "kept")
    assert other.fingerprint_store.path == Path.cwd() / "store"
    assert other.database.password.get_secret_value() == "of a file"
    assert "of a file" not in data.config.read_text()
    assert other.logging.levels == {"tasks.lookup": "ERROR"}
    assert other.redis.host == "redis.example"
    assert other.redis.password is None  # no line of a file can have it
    assert own.redis.password
    assert effective(data, {}).fingerprint_index.protocol != "http"


def test_a_file_in_the_working_directory_is_found(data: DataDir) -> None:
    Path("acoustid.conf").write_text("[cluster]\nname = mine\nsecret = of mine\n")
    settings = effective(data, {})
    assert settings.cluster.name == "mine"
    assert settings.cluster.secret
    assert settings.cluster.secret.get_secret_value() == "of mine"


def test_a_secret_file_is_read_from_any_working_directory(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("secret").write_text("of mine\n")
    Path("acoustid.conf").write_text(
        "[cluster]\nsecret_file = secret\n[fingerprint_index]\npath = idx\n"
    )
    here = Path.cwd()
    effective(data, {})
    monkeypatch.chdir("/")
    settings = write_effective(data, UserConfig.read({"ACOUSTID_CONFIG": str(data.config)}), RECORD)
    assert settings.cluster.secret
    assert settings.cluster.secret.get_secret_value() == "of mine"
    assert settings.fingerprint_index.path == here / "idx"


def test_paths_of_a_file_in_another_folder_stay_relative_to_that_folder(
    data: DataDir, tmp_path: Path
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    TlsFiles.copied_to(folder)
    (folder / "mine.conf").write_text(
        "[database]\nhost = db.example\nsslmode = verify-full\nsslrootcert = authority.crt\n"
        "[database_ingest]\nhost = db.example\nsslmode = verify-full\nsslrootcert = system\n"
        "[redis]\nhost = r.example\nssl = true\nssl_ca_certs = authority.crt\n"
        "[fingerprint_index]\npath = idx\n"
    )
    settings = effective(data, {"ACOUSTID_CONFIG": str(folder / "mine.conf")})
    assert settings.database.sslrootcert == folder / "authority.crt"
    assert settings.database_ingest.sslrootcert == "system"
    assert settings.redis.ssl_ca_certs == folder / "authority.crt"
    assert settings.fingerprint_index.path == folder / "idx"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACOUSTID_DATABASE_SSLMODE", "require"),
        ("ACOUSTID_REDIS_SSL", "true"),
        ("ACOUSTID_REDIS_SSL_CHECK_HOSTNAME", "false"),
    ],
)
def test_tls_to_an_embedded_server_is_refused(data: DataDir, variable: str, value: str) -> None:
    del data
    with pytest.raises(StackError, match=f"{variable} is set, but no host"):
        UserConfig.read({variable: value})


@pytest.mark.parametrize(
    "variable",
    [
        "ACOUSTID_DATABASE_INGEST_PASSWORD",
        "ACOUSTID_DATABASE_USER",
        "ACOUSTID_DATABASE_PORT",
        "ACOUSTID_REDIS_PASSWORD",
    ],
)
def test_credentials_without_a_host_are_refused(data: DataDir, variable: str) -> None:
    del data
    with pytest.raises(StackError, match=f"{variable} is set, but no host"):
        UserConfig.read({variable: "1234"})


def test_a_database_may_be_renamed_without_a_host(data: DataDir) -> None:
    settings = effective(data, {"ACOUSTID_DATABASE_NAME": "other"})
    assert (settings.database.name, settings.database.port) == ("other", 5001)


def test_an_invalid_configuration_is_an_error(data: DataDir) -> None:
    del data
    with pytest.raises(StackError, match="ACOUSTID_REDIS_HOTS"):
        UserConfig.read({"ACOUSTID_REDIS_HOTS": "redis.example"})


@pytest.mark.parametrize("value", [" of mine", "of mine ", "of\nmine", os.fsdecode(b"of m\xfcne")])
def test_a_variable_that_the_file_cannot_contain_is_named(data: DataDir, value: str) -> None:
    """The start itself uses it; `acoustid up` says that other commands do not."""
    environ = {"ACOUSTID_CLUSTER_SECRET": value, "ACOUSTID_CLUSTER_NAME": "# a name; of %(mine)s"}
    user = UserConfig.read(environ)
    assert user.unwritable == ("ACOUSTID_CLUSTER_SECRET",)
    started = write_effective(data, user, RECORD)
    assert started.cluster.secret
    assert started.cluster.secret.get_secret_value() == value
    later = load_settings(data.config, {})
    assert later.cluster.name == "# a name; of %(mine)s"
    assert later.cluster.secret is None


@pytest.mark.parametrize("is_named", [True, False])
def test_the_file_of_an_earlier_start_is_not_the_users(
    data: DataDir, monkeypatch: pytest.MonkeyPatch, *, is_named: bool
) -> None:
    """`acoustid up` in the data directory, or with ACOUSTID_CONFIG of the same stack.

    The file contains the addresses of the embedded servers, which are not servers of the user.
    """
    effective(data, {})
    monkeypatch.chdir(data.root)
    environ = {"ACOUSTID_CONFIG": str(data.config)} if is_named else {}
    user = UserConfig.read(environ, effective=data.config)
    assert user.embeds_redis
    assert len(user.embedded_databases) == 4
    assert user.path is None


def test_the_file_names_its_stack(data: DataDir) -> None:
    effective(data, {})
    assert find_mark(data.config) == mark_of(RECORD.token)
    assert RECORD.token not in data.config.read_text()
