"""The INFO list of WAV files is read where they have no ID3 tag."""

import struct
from pathlib import Path

import pytest

from cli.commands.client.audio.submission_entries import tag_fields
from cli.commands.client.audio.tags import riff_info, tag_names
from cli.commands.client.audio.tags.audio_tags import read_tags
from cli.commands.client.audio.tags.riff_info import read_riff_info
from cli.commands.client.audio.tags.tag_changes import plan_changes, write_changes
from tests.support.audio_files import write_wav


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def info(**texts: bytes) -> bytes:
    parts = (chunk(name.encode(), text + b"\0") for name, text in texts.items())
    return chunk(b"LIST", b"INFO" + b"".join(parts))


def write_info(path: Path, *chunks: bytes) -> Path:
    """Write a second of silence with further chunks."""
    content = write_wav(path).read_bytes() + b"".join(chunks)
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    return path


SONG = info(INAM="Größe".encode(), IART=b"Band", IPRD=b"Album", ITRK=b"3/12", ICRD=b"2024-03-15")


def test_the_list_is_the_source_of_a_submission(tmp_path: Path) -> None:
    song = write_info(tmp_path / "song.wav", chunk(b"junk", b"odd"), SONG)
    fields = tag_fields(read_tags(song))
    assert {name: fields[name] for name in ("track", "artist", "album", "trackno", "year")} == {
        "track": "Größe",
        "artist": "Band",
        "album": "Album",
        "trackno": 3,
        "year": 2024,
    }


def test_a_tag_of_id3_comes_first_and_the_list_stays(tmp_path: Path) -> None:
    song = write_info(tmp_path / "song.wav", SONG)
    [kept] = plan_changes(song, {tag_names.TITLE: "New"}, replace=False)
    assert (kept.old, kept.is_written) == ("Größe", False)
    write_changes(song, plan_changes(song, {tag_names.TITLE: "New"}, replace=True))
    assert read_tags(song).get(tag_names.TITLE) == ["New"]
    assert read_tags(song).get(tag_names.ARTIST) == ["Band"]
    assert read_riff_info(song)[tag_names.TITLE] == "Größe"


def test_an_old_encoding_is_read(tmp_path: Path) -> None:
    song = write_info(tmp_path / "song.wav", info(INAM=b"Gr\xf6\xdfe  "))
    assert read_riff_info(song) == {tag_names.TITLE: "Größe"}


@pytest.mark.parametrize(
    "chunks",
    [
        b"LIST",
        b"LIST\xff\xff\xff\xffINFO",
        b"LIST\x02\0\0\0IN",
        chunk(b"LIST", b"INFOINAM\xff\xff\xff\xff"),
        chunk(b"LIST", b"adtlINAM\x02\0\0\0x\0"),
        b"\0" * 50_000,
    ],
)
def test_a_damaged_list_is_no_error(tmp_path: Path, chunks: bytes) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(write_wav(song).read_bytes() + chunks)
    assert read_riff_info(song) == {}
    song.write_bytes(chunks)
    assert read_riff_info(song) == {}


def test_a_list_has_a_maximum_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riff_info, "MAX_LIST", 20)
    song = write_info(tmp_path / "song.wav", SONG, info(INAM=b"Kurz"))
    assert read_riff_info(song) == {tag_names.TITLE: "Kurz"}
