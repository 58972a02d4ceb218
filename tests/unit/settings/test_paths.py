"""Relative paths: to the folder of the file, else to the working directory."""

from pathlib import Path

import pytest

from pipeline.settings.load import ConfigError, load_settings
from pipeline.settings.option_names import sections


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the configuration file."""
    made = tmp_path / "etc"
    made.mkdir()
    return made


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another working directory."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def write(folder: Path, text: str) -> Path:
    path = folder / "acoustid.conf"
    path.write_text(text)
    return path


def test_a_path_in_the_file_is_relative_to_its_folder(folder: Path) -> None:
    path = write(folder, "[fingerprint_index]\npath = idx\n[fingerprint_store]\npath = ../fps\n")
    settings = load_settings(path, {})
    assert settings.fingerprint_index.path == folder / "idx"
    assert settings.fingerprint_store.path == folder.parent / "fps"


def test_the_name_of_the_file_may_be_relative(folder: Path) -> None:
    write(folder, "[fingerprint_index]\npath = idx\n")
    settings = load_settings(environ={"ACOUSTID_CONFIG": "../etc/acoustid.conf"})
    assert settings.fingerprint_index.path == folder / "idx"


def test_the_parent_of_a_link_stays_the_parent_of_its_target(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "disk" / "data").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "disk" / "data")
    text = "[fingerprint_index]\npath = link/../idx\n[fingerprint_store]\npath = ../etc/link/fps\n"
    settings = load_settings(write(folder, text), {})
    assert settings.fingerprint_index.path.resolve() == tmp_path / "disk" / "idx"
    assert settings.fingerprint_store.path == folder / "link" / "fps"


def test_the_file_of_the_working_directory_has_the_same_rule(here: Path) -> None:
    write(here, "[fingerprint_index]\npath = idx\n")
    assert load_settings(environ={}).fingerprint_index.path == here / "idx"


def test_a_path_in_a_variable_is_relative_to_the_working_directory(
    folder: Path, here: Path
) -> None:
    path = write(folder, "[fingerprint_index]\npath = idx\n")
    settings = load_settings(path, {"ACOUSTID_FINGERPRINT_INDEX_PATH": "mine"})
    assert settings.fingerprint_index.path == here / "mine"


def test_a_default_is_relative_to_the_working_directory(folder: Path, here: Path) -> None:
    settings = load_settings(write(folder, ""), {})
    assert settings.fingerprint_index.path == here / "data/index"
    assert settings.fingerprint_store.path == here / "data/fingerprints"
    assert not settings.sources


def test_an_absolute_path_is_not_changed(folder: Path) -> None:
    path = write(folder, "[fingerprint_index]\npath = /srv/index\n")
    environ = {"ACOUSTID_FINGERPRINT_STORE_PATH": "/srv/store"}
    settings = load_settings(path, environ)
    assert settings.fingerprint_index.path == Path("/srv/index")
    assert settings.fingerprint_store.path == Path("/srv/store")


def test_the_file_of_a_secret_has_the_same_rule(folder: Path, here: Path) -> None:
    (folder / "secret").write_text("of the folder")
    (here / "secret").write_text("of the working directory")
    path = write(folder, "[cluster]\nsecret_file = secret\n")
    in_file = load_settings(path, {}).cluster.secret
    in_variable = load_settings(path, {"ACOUSTID_CLUSTER_SECRET_FILE": "secret"}).cluster.secret
    assert in_file
    assert in_variable
    assert in_file.get_secret_value() == "of the folder"
    assert in_variable.get_secret_value() == "of the working directory"


def test_a_missing_file_in_the_folder_is_an_error(folder: Path, here: Path) -> None:
    (here / "secret").write_text("not this one")
    with pytest.raises(ConfigError, match=r"\[cluster\] secret_file: the file cannot be read"):
        load_settings(write(folder, "[cluster]\nsecret_file = secret\n"), {})


def test_every_path_option_is_known_as_one() -> None:
    found = {
        str(option)
        for section in sections().values()
        for option in section.options.values()
        if option.is_path and not section.name.endswith("_ro")
    }
    databases = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")
    assert found >= {
        "[fingerprint_index] path",
        "[fingerprint_store] path",
        *(f"[{name}] {option}" for name in databases for option in ("sslcert", "sslkey")),
        *(f"[{name}] sslrootcert" for name in databases),
        *(f"[redis] ssl_{option}" for option in ("ca_certs", "certfile", "keyfile")),
    }
