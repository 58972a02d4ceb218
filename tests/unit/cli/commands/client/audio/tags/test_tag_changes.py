"""Tests of the files whose tags are written."""

import os
from pathlib import Path

import pytest

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.tags import tag_changes, tag_names
from cli.commands.client.audio.tags.audio_tags import AudioTags, read_tags
from cli.commands.client.audio.tags.tag_changes import TagChange, plan_changes, write_changes
from tests.support.audio_files import write_mp3

TITLE = TagChange(tag_names.TITLE, "", "New", is_written=True)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_mp3(tmp_path / "song.mp3")


@pytest.mark.parametrize("failing", ["save", "fsync", "replace"])
def test_a_file_is_unchanged_after_a_failure(
    song: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    where = {"save": AudioTags, "fsync": os, "replace": Path}[failing]
    before = song.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(where, failing, fail)
        with pytest.raises(BadFileError, match="no space left on device"):
            write_changes(song, [TITLE])
    assert song.read_bytes() == before
    assert list(song.parent.iterdir()) == [song]


def test_mode_and_links_stay(song: Path, tmp_path: Path) -> None:
    song.chmod(0o640)
    link = tmp_path / "link.mp3"
    link.symlink_to(song)
    write_changes(link, [TITLE])
    assert link.is_symlink()
    assert song.stat().st_mode & 0o777 == 0o640
    assert read_tags(song).get(tag_names.TITLE) == ["New"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.mp3", "song.mp3"]


def test_a_tag_that_has_changed_since_is_kept(song: Path) -> None:
    write_changes(song, [TagChange(tag_names.TITLE, "", "Of another program", is_written=True)])
    write_changes(song, [TITLE, TagChange(tag_names.ARTIST, "", "x", is_written=True)])
    assert read_tags(song).get(tag_names.TITLE) == ["Of another program"]
    assert read_tags(song).get(tag_names.ARTIST) == ["x"]


def test_a_read_only_file_is_refused(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_args: False)  # root may write any file
    with pytest.raises(BadFileError, match="read-only"):
        write_changes(song, [TITLE])
    assert tag_changes.plan_changes(song, {tag_names.TITLE: "New"}, replace=False) == [TITLE]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        write_changes(tmp_path / "none.mp3", [TITLE])


def test_a_change_is_shown_on_one_line(song: Path) -> None:
    write_changes(song, [TITLE])
    found = {tag_names.TITLE: "Two\nlines", tag_names.ARTIST: "x"}
    shown = [str(each) for each in plan_changes(song, found, replace=False)]
    assert shown == ["  title: New is kept; found: Two lines", "  artist: - -> x"]
    shown = [str(each) for each in plan_changes(song, found, replace=True)]
    assert shown == ["  title: New -> Two lines", "  artist: - -> x"]
