"""Tests of the tags of each format, on small files."""

import struct
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import COMM, ID3, TIT2, TXXX

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.submission_entries import tag_fields
from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.audio_tags import read_tags
from cli.commands.client.audio.tags.tag_changes import plan_changes, write_changes
from tests.support.audio_files import WRITERS, write_m4a, write_mp3, write_wavpack, write_wma

MBID = "5d1f0c5e-1111-4aaa-8aaa-000000000001"
GID = "0a1b2c3d-0000-4000-8000-000000000001"
FOUND = {
    tag_names.TITLE: "Größe 大",
    tag_names.ARTIST: "Aurora Lane",
    tag_names.ALBUM: "Slow Storm",
    tag_names.RECORDING: MBID,
    tag_names.ACOUSTID: GID,
}
ID3_NAMES = {"TIT2", "TPE1", "TALB", "UFID:http://musicbrainz.org", "TXXX:Acoustid Id"}
VORBIS_NAMES = {"title", "artist", "album", "musicbrainz_trackid", "acoustid_id"}
FREE = "----:com.apple.iTunes:"

PICARD_NAMES = {
    "aiff": ID3_NAMES,
    "flac": VORBIS_NAMES,
    "m4a": {"©nam", "©ART", "©alb", FREE + "MusicBrainz Track Id", FREE + "Acoustid Id"},
    "mp3": ID3_NAMES,
    "opus": VORBIS_NAMES,
    "wav": ID3_NAMES,
    "wma": {"Title", "Author", "WM/AlbumTitle", "MusicBrainz/Track Id", "Acoustid/Id"},
    "wv": {"Title", "Artist", "Album", "MUSICBRAINZ_TRACKID", "ACOUSTID_ID"},
}
"""The names of Picard's documentation, "Tag Mapping"."""


@pytest.fixture(params=WRITERS)
def audio(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file without tags, one for each format."""
    return WRITERS[request.param](tmp_path / f"song.{request.param}")


def test_every_format_gets_the_tags_under_the_names_of_picard(audio: Path) -> None:
    changes = plan_changes(audio, FOUND, replace=False)
    assert [(each.old, each.new) for each in changes] == [("", new) for new in FOUND.values()]
    write_changes(audio, changes)
    tags = read_tags(audio)
    assert {field: tags.get(field) for field in FOUND} == {
        field: [value] for field, value in FOUND.items()
    }
    assert set(mutagen.File(audio).keys()) == PICARD_NAMES[audio.suffix[1:]]
    assert plan_changes(audio, FOUND, replace=True) == []


def test_tags_with_a_value_are_kept_unless_they_are_to_be_replaced(audio: Path) -> None:
    write_changes(audio, plan_changes(audio, {tag_names.TITLE: "Mine"}, replace=False))
    [kept, added] = plan_changes(
        audio, {tag_names.TITLE: "Theirs", tag_names.ARTIST: "x"}, replace=False
    )
    assert (kept.old, kept.is_written, added.is_written) == ("Mine", False, True)
    write_changes(audio, [kept, added])
    assert read_tags(audio).get(tag_names.TITLE) == ["Mine"]
    write_changes(audio, plan_changes(audio, {tag_names.TITLE: "Theirs"}, replace=True))
    assert read_tags(audio).get(tag_names.TITLE) == ["Theirs"]
    assert read_tags(audio).get(tag_names.ARTIST) == ["x"]


def test_other_tags_stay(tmp_path: Path) -> None:
    song = write_mp3(tmp_path / "song.mp3")
    old = ID3()
    old.add(COMM(encoding=3, lang="eng", desc="", text=["a comment"]))
    old.add(TXXX(encoding=3, desc="Mood", text=["calm"]))
    old.save(song)
    write_changes(song, plan_changes(song, FOUND, replace=True))
    found = ID3(song)
    assert found.getall("COMM")[0].text == ["a comment"]
    assert found["TXXX:Mood"].text == ["calm"]


def test_a_file_with_id3_2_3_keeps_this_version(tmp_path: Path) -> None:
    song = write_mp3(tmp_path / "song.mp3")
    old = ID3()
    old.add(TIT2(encoding=1, text=["Old", "two"]))
    old.save(song, v2_version=3, v23_sep=None)
    write_changes(song, plan_changes(song, FOUND, replace=False))
    found = ID3(song)
    assert found.version == (2, 3, 0)
    assert found["TIT2"].text == ["Old", "two"]
    assert found["TALB"].text == ["Slow Storm"]


def test_numbers_of_mp4_and_binary_values_of_ape_are_read_as_texts(tmp_path: Path) -> None:
    song = write_m4a(tmp_path / "song.m4a")
    file = mutagen.File(song)
    file.add_tags()
    file["trkn"], file["disk"] = [(3, 12)], [(0, 0)]
    file.save()
    assert read_tags(song).get(tag_names.TRACK) == ["3"]
    assert read_tags(song).get(tag_names.DISC) == []
    packed = write_wavpack(tmp_path / "song.wv")
    tags = APEv2()
    tags["Title"] = b"\xff\x00"  # binary
    tags["Artist"] = ["a", "b"]
    tags.save(packed)
    assert read_tags(packed).get(tag_names.TITLE) == []
    assert read_tags(packed).get(tag_names.ARTIST) == ["a", "b"]


def test_equal_values_are_one(tmp_path: Path) -> None:
    """Mutagen returns the artist of a WMA file twice, of two objects of the file."""
    song = write_wma(tmp_path / "song.wma")
    file = mutagen.File(song)
    file["Author"] = ["Band 6", "Band 6", "Singer", "Band 6"]
    file["Title"] = ["Song", "Song"]
    file.save()
    tags = read_tags(song)
    assert tags.get(tag_names.ARTIST) == ["Band 6", "Singer"]
    assert tag_fields(tags)["artist"] == "Band 6; Singer"
    assert tag_fields(tags)["track"] == "Song"
    assert plan_changes(song, {tag_names.TITLE: "Song"}, replace=True) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.txt", b"no audio"),
        ("empty.mp3", b""),
        ("cut.flac", b"fLaC\x80"),
        ("cut.m4a", b"\0\0\0\x10ftypM4A \0\0\0\0"),
        ("cut.ogg", b"OggS\0\2" + bytes(30)),
        ("raw.aac", b"\xff\xf1\x50\x80\x01\x3f\xfc" * 200),
        ("rate.wv", b"wvpk" + struct.pack("<IHBBIIIII", 24, 0x410, 0, 0, 9, 0, 9, 15 << 23, 0)),
    ],
)
def test_a_file_without_readable_tags_is_an_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadFileError, match="tags"):
        read_tags(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        read_tags(tmp_path / "none.mp3")
