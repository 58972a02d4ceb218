"""The options of TLS: URLs, arguments of clients, and mistakes that are reported at the start."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.settings import system_certificates
from pipeline.settings.load import ConfigError, load_settings
from pipeline.settings.sections import DatabaseSettings, RedisSettings
from tests.support.tls_files import TlsFiles

Check = Callable[[str], list[str]]


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles.copied_to(tmp_path)


@pytest.fixture
def check(files: TlsFiles) -> Check:
    """Return a function that returns the problems of a file beside the certificates."""

    def load(text: str) -> list[str]:
        path = files.folder / "acoustid.conf"
        path.write_text(text)
        try:
            load_settings(path, {})
        except ConfigError as error:
            return [each.removeprefix(f"{path}: ") for each in error.problems]
        return []

    return load


def test_a_database_url_has_the_parameters_of_libpq() -> None:
    settings = DatabaseSettings(
        sslmode="verify-full",
        sslrootcert=Path("/etc/ca.crt"),
        sslcert=Path("/etc/a.crt"),
        sslkey=Path("/etc/a.key"),
    )
    assert dict(settings.url().query) == {
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca.crt",
        "sslcert": "/etc/a.crt",
        "sslkey": "/etc/a.key",
    }


def test_a_database_url_without_options_leaves_tls_to_libpq() -> None:
    """`PGSSLMODE` has an effect only if the URL has no ``sslmode``."""
    assert not DatabaseSettings().url().query


SYSTEM = "[database]\nhost = x\nsslmode = verify-full\nsslrootcert = system\n"


def test_libpq_gets_the_file_of_the_systems_certificates(
    check: Check, files: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The OpenSSL in the wheels of psycopg2 does not find it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    assert check(SYSTEM) == []
    database = load_settings(files.folder / "acoustid.conf", {}).database
    assert database.sslrootcert == "system"
    assert database.url().query["sslrootcert"] == str(files.authority)


def test_a_system_without_certificates_is_reported(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setattr(system_certificates, "BUNDLES", ())
    [problem] = check(SYSTEM)
    assert problem == "[database] sslrootcert: found no certificates of the system: give their file"


def test_redis_without_tls_has_no_arguments() -> None:
    assert RedisSettings().tls() is None
    assert RedisSettings().url().startswith("redis://")


def test_redis_with_tls_checks_certificate_and_host_by_default() -> None:
    settings = RedisSettings(ssl=True)
    assert settings.url() == "rediss://localhost:6379/0"
    assert settings.tls() == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


def test_the_checks_of_redis_can_be_turned_off() -> None:
    no_host = RedisSettings(ssl=True, ssl_check_hostname=False).tls()
    assert no_host == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": False}
    none = RedisSettings(ssl=True, ssl_cert_reqs="none").tls()
    assert none == {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}


def test_valid_files_are_accepted_and_inherited(check: Check, files: TlsFiles) -> None:
    text = (
        "[database]\nsslmode = verify-full\nsslrootcert = authority.crt\n"
        "sslcert = client.crt\nsslkey = client.key\n"
        "[redis]\nssl = yes\nssl_ca_certs = authority.crt\n"
        "ssl_certfile = client.crt\nssl_keyfile = client.key\n"
    )
    assert check(text) == []
    settings = load_settings(files.folder / "acoustid.conf", {})
    assert settings.database_ro == settings.database
    assert settings.database.sslrootcert == files.authority
    assert settings.redis.tls() == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_ca_certs": str(files.authority),
        "ssl_certfile": str(files.client[0]),
        "ssl_keyfile": str(files.client[1]),
    }


@pytest.mark.parametrize(
    ("section", "options", "option", "message"),
    [
        ("database", "sslrootcert = authority.crt", "sslrootcert", "set sslmode in [database]"),
        (
            "database",
            "sslmode = prefer\nsslrootcert = authority.crt",
            "sslrootcert",
            "set sslmode in [database] to require, verify-ca, verify-full",
        ),
        ("database", "sslmode = verify-full", "sslmode", "set sslrootcert in [database] too"),
        (
            "database",
            "sslmode = verify-ca\nsslrootcert = system",
            "sslrootcert",
            "system needs sslmode = verify-full",
        ),
        ("database", "sslmode = require\nsslcert = client.crt", "sslcert", "set sslkey in"),
        ("database", "sslmode = require\nsslkey = client.key", "sslkey", "set sslcert in"),
        ("redis", "ssl_ca_certs = authority.crt", "ssl_ca_certs", "set ssl = true"),
        ("redis", "ssl = on\nssl_certfile = client.crt", "ssl_certfile", "set ssl_keyfile in"),
        ("nats", "ssl_ca_certs = authority.crt", "ssl_ca_certs", "set ssl = true in [nats]"),
        ("nats", "servers = tls://a\nssl_keyfile = client.key", "ssl_keyfile", "set ssl_certfile"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    section: str, options: str, option: str, message: str, check: Check
) -> None:
    [problem] = check(f"[{section}]\n{options}\n")
    assert problem.startswith(f"[{section}] {option}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("certificate", "key", "authority", "option", "message"),
    [
        ("client.crt", "client.key", "missing.crt", "sslrootcert", "cannot be read: No such file"),
        ("client.crt", "client.key", "client.key", "sslrootcert", "no certificate in PEM format"),
        ("missing.crt", "client.key", "authority.crt", "sslcert", "cannot be read: No such file"),
        ("client.crt", "missing.key", "authority.crt", "sslkey", "cannot be read: No such file"),
        ("client.crt", "open.key", "authority.crt", "sslkey", "mode 0644"),
        ("client.crt", "server.key", "authority.crt", "sslkey", "is not the key of"),
        ("client.crt", "folder", "authority.crt", "sslkey", "cannot be read: Is a directory"),
        ("client.key", "client.key", "authority.crt", "sslkey", "is not the key of"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_with_its_option(
    certificate: str,
    key: str,
    authority: str,
    option: str,
    message: str,
    check: Check,
    files: TlsFiles,
) -> None:
    (files.folder / "folder").mkdir()
    loose = files.folder / "open.key"
    loose.write_bytes(files.client[1].read_bytes())
    loose.chmod(0o644)

    [problem] = check(
        f"[database]\nsslmode = require\nsslrootcert = {authority}\n"
        f"sslcert = {certificate}\nsslkey = {key}\n"
    )
    assert problem.startswith(f"[database] {option}: ")
    assert message in problem

    names = {"sslrootcert": "ssl_ca_certs", "sslcert": "ssl_certfile", "sslkey": "ssl_keyfile"}
    for section in ("redis", "nats"):
        [problem] = check(
            f"[{section}]\nssl = true\nssl_ca_certs = {authority}\n"
            f"ssl_certfile = {certificate}\nssl_keyfile = {key}\n"
        )
        assert problem.startswith(f"[{section}] {names[option]}: ")
        assert message in problem


def test_an_inherited_option_is_reported_once(check: Check) -> None:
    assert len(check("[database]\nsslmode = require\nsslrootcert = missing.crt\n")) == 1


def test_a_read_only_database_may_have_no_tls(check: Check) -> None:
    text = (
        "[database]\nsslmode = verify-full\nsslrootcert = authority.crt\n"
        "[database_ro]\nhost = x\nsslmode = disable\nsslrootcert =\n"
    )
    assert check(text) == []
