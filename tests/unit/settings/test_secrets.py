"""Secrets are read from files, given once, and never shown."""

from pathlib import Path

import pytest

from pipeline.settings.load import ConfigError, load_settings


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return a file that holds a secret with space around it."""
    path = tmp_path / "secret"
    path.write_text("  from%file \n\n", encoding="utf-8")
    return path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Return an empty configuration file."""
    path = tmp_path / "some.conf"
    path.touch()
    return path


def test_a_file_named_in_the_environment_is_read_and_stripped(conf: Path, secret: Path) -> None:
    environ = {
        "ACOUSTID_DATABASE_INGEST_PASSWORD_FILE": str(secret),
        "ACOUSTID_CLUSTER_SECRET_FILE": str(secret),
    }
    settings = load_settings(conf, environ)
    assert settings.database_ingest.password.get_secret_value() == "from%file"
    assert settings.database_ingest_ro.password.get_secret_value() == "from%file"
    assert settings.cluster.secret is not None
    assert settings.cluster.secret.get_secret_value() == "from%file"


def test_a_file_named_in_the_file_is_read(conf: Path, secret: Path) -> None:
    conf.write_text(f"[redis]\npassword_file = {secret}\n")
    password = load_settings(conf, {}).redis.password
    assert password is not None
    assert password.get_secret_value() == "from%file"


@pytest.mark.parametrize("option", ["password = file", "password_file = /nowhere"])
@pytest.mark.parametrize("form", ["plain", "file"])
def test_the_environment_takes_precedence_in_both_forms(
    option: str, form: str, conf: Path, secret: Path
) -> None:
    conf.write_text(f"[redis]\n{option}\n")
    environ = (
        {"ACOUSTID_REDIS_PASSWORD": "from%file"}
        if form == "plain"
        else {"ACOUSTID_REDIS_PASSWORD_FILE": str(secret)}
    )
    password = load_settings(conf, environ).redis.password
    assert password is not None
    assert password.get_secret_value() == "from%file"


def test_both_forms_in_the_environment_are_refused(conf: Path, secret: Path) -> None:
    environ = {
        "ACOUSTID_REDIS_PASSWORD": "hunter2",
        "ACOUSTID_REDIS_PASSWORD_FILE": str(secret),
    }
    with pytest.raises(ConfigError, match="both given") as caught:
        load_settings(conf, environ)
    assert "ACOUSTID_REDIS_PASSWORD and ACOUSTID_REDIS_PASSWORD_FILE" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_both_forms_in_the_file_are_refused(conf: Path, secret: Path) -> None:
    conf.write_text(f"[redis]\npassword_file = {secret}\npassword = hunter2\n")
    with pytest.raises(ConfigError, match=r"\[redis\] password_file and .* both given") as caught:
        load_settings(conf, {})
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_an_error_that_names_the_variable(conf: Path) -> None:
    with pytest.raises(ConfigError, match="ACOUSTID_REDIS_PASSWORD_FILE: the file cannot be read"):
        load_settings(conf, {"ACOUSTID_REDIS_PASSWORD_FILE": "/nowhere/at/all"})


def test_an_empty_file_is_an_error(conf: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="ACOUSTID_SENTRY_DSN_FILE: the file is empty"):
        load_settings(conf, {"ACOUSTID_SENTRY_DSN_FILE": str(tmp_path / "empty")})


def test_a_file_of_bytes_is_an_error(conf: Path, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="ACOUSTID_SENTRY_DSN_FILE: the file is not UTF-8 text"):
        load_settings(conf, {"ACOUSTID_SENTRY_DSN_FILE": str(tmp_path / "bytes")})


def test_a_secret_in_place_of_a_path_is_not_shown(conf: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(conf, {"ACOUSTID_DATABASE_PASSWORD_FILE": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_options_that_are_no_secrets_have_no_file_form(conf: Path) -> None:
    conf.write_text("[redis]\nhost_file = /etc/hostname\n")
    with pytest.raises(ConfigError, match=r"unknown option host_file in \[redis\]"):
        load_settings(conf, {})


@pytest.mark.parametrize(
    "text",
    [
        "password = hunter2\n",
        "[redis]\npassword hunter2\n",
        "[redis]\npassword = hunter2\npassword = hunter2\n",
        "[redis]\npassword = hunter2\n  hunter2 = hunter2\n",
        "[sentry]\ndsn = hunter2\n",
        "[redis]\nhost = redis://:hunter2@host\n",
        "[nats]\nservers = nats://me:hunter2@host\n",
        "[redis]\npassword = hunter2\nport = x\n",
    ],
)
def test_no_mistake_shows_a_secret(text: str, conf: Path) -> None:
    conf.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(conf, {})
    assert "hunter2" not in str(caught.value)
