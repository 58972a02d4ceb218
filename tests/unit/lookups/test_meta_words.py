"""The words of `meta`."""

import pytest

from pipeline.lookups.metadata.meta_words import Detail, MetaOptions, parse_meta

FULL, IDS = Detail.FULL, Detail.IDS


@pytest.mark.parametrize("meta", ["", " ", "0", "recording", "RECORDINGS", "3"])
def test_nothing_is_asked_for(meta: str):
    """Without a known word there is nothing to show."""
    assert parse_meta(meta) == MetaOptions()


@pytest.mark.parametrize("meta", ["tracks", "sources", "usermeta", "compress", "tracks usermeta"])
def test_words_that_need_others_show_nothing_alone(meta: str):
    """A word about recordings or releases means nothing where those aren't shown."""
    assert not parse_meta(meta).shows_links


@pytest.mark.parametrize(
    ("meta", "options"),
    [
        ("1", MetaOptions(recordings=IDS)),
        ("2", MetaOptions(legacy=True)),
        ("recordings m2 releases", MetaOptions(legacy=True)),
        ("recordings", MetaOptions(recordings=FULL)),
        ("\trecordings\n recordings ", MetaOptions(recordings=FULL)),
        ("isrcs", MetaOptions(recordings=FULL, isrcs=True)),
        ("recordings recordingids", MetaOptions(recordings=IDS)),
        ("releases releaseids", MetaOptions(releases=IDS)),
        ("releasegroups releasegroupids", MetaOptions(release_groups=IDS)),
        (
            "recordingids sources usermeta",
            MetaOptions(recordings=IDS, sources=True, user_text=True),
        ),
        ("releases tracks compress", MetaOptions(releases=FULL, tracks=True, compress=True)),
        ("releasegroups tracks", MetaOptions(release_groups=FULL)),
        ("1 recordings", MetaOptions(recordings=FULL)),
    ],
)
def test_words_combine(meta: str, options: MetaOptions):
    """Ids win over the full form, `m2` over all, shorthands are the whole value only."""
    assert parse_meta(meta) == options


@pytest.mark.parametrize(
    ("meta", "asks"),
    [
        ("recordingids sources", False),
        ("recordings", True),
        ("isrcs", True),
        ("recordingids usermeta", True),
        ("recordingids releaseids", True),
        ("releasegroupids", True),
        ("m2", True),
    ],
)
def test_musicbrainz_is_asked_only_where_it_matters(meta: str, *, asks: bool):
    """Ids and counts are in the links."""
    assert parse_meta(meta).asks_musicbrainz is asks
