"""Identities that follow from content."""

from uuid import UUID

import pytest

from pipeline.fingerprint.identity import fingerprint_gid, meta_gid
from pipeline.fingerprint.words import as_words
from tests.unit.fingerprint.samples import song


def test_fingerprints_have_the_known_gids():
    """Of the version and the words."""
    assert fingerprint_gid(1, as_words([1, 2, 3])) == UUID("b31acd74-46a5-5c5c-8f12-54dfef1cb6a8")
    assert fingerprint_gid(1, song()) == UUID("d55f2a58-ffc9-5d43-b130-fb01ab4c7009")


def test_another_version_is_another_fingerprint():
    """Also one that is read as negative."""
    gids = {fingerprint_gid(version, as_words([1, 2, 3])) for version in (-1, 0, 1, 255)}
    assert len(gids) == 4


@pytest.mark.parametrize(
    ("fields", "gid"),
    [
        ({}, "781f130c-a3b4-5090-a87a-816c30bed2a5"),
        ({"track": "foo"}, "454238f5-bceb-53c9-8a2c-029e79b86e26"),
        ({"track": "foo", "year": 1}, "9acff514-86bf-5fcd-9253-03b8e91bc9ae"),
        (
            {
                "year": 1994,
                "track_no": 11,
                "album": "The Division Bell",
                "artist": "Pink Floyd",
                "track": "High Hopes",
            },
            "051c695e-7b70-573a-9072-ba8a62c9f925",
        ),
    ],
)
def test_metadata_has_the_known_gids(fields: dict[str, str | int], gid: str):
    """In whatever order its fields come."""
    assert meta_gid(fields) == UUID(gid)


@pytest.mark.parametrize("nothing", ["", 0, None])
def test_an_empty_field_is_a_missing_one(nothing: str | int | None):
    """And a field that isn't metadata is not looked at."""
    assert meta_gid({"track": "foo", "disc_no": nothing, "bitrate": 320}) == meta_gid(
        {"track": "foo"}
    )


def test_text_of_any_kind_has_a_gid():
    """Accents and scripts as UTF-8, even half a character."""
    texts = ["Ágætis byrjun", "A\u0301gætis byrjun", "椎名林檎", "\ud83c"]
    assert len({meta_gid({"album": text}) for text in texts}) == len(texts)
