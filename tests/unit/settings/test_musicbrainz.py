"""The options of the section ``[musicbrainz]``."""

import pytest

from pipeline.settings.load import ConfigError, load_settings

SOURCE = "ACOUSTID_MUSICBRAINZ_REPLICATION_SOURCE"


@pytest.mark.parametrize("value", ["/srv/packets", "https://metabrainz.org/api/musicbrainz"])
def test_a_source_is_a_directory_or_an_address(value: str) -> None:
    assert load_settings(environ={SOURCE: value}).musicbrainz.replication_source == value


def test_by_default_there_is_no_source() -> None:
    assert load_settings(environ={SOURCE: ""}).musicbrainz.replication_source is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("packets", "must be the absolute path of a directory, or an https:// address"),
        ("ftp://metabrainz.org/api", "must be an http:// or https:// address"),
        ("https://user:s3cr3t@metabrainz.org/api", "without user and password"),
        ("https://metabrainz.org/api?token=s3cr3t", "put the token into replication_token"),
    ],
)
def test_another_source_is_an_error_that_has_no_secret(value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={SOURCE: value})
    assert f"{SOURCE}: " in str(caught.value)
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [("REPLICATION_INTERVAL", "59"), ("MAX_LAG", "-1"), ("MAX_LAG", "inf")],
)
def test_a_number_out_of_range_is_an_error(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=option):
        load_settings(environ={f"ACOUSTID_MUSICBRAINZ_{option}": value})
