"""The reasons for which audio files are not submitted."""

from pathlib import Path

import pytest

from cli.commands.client.audio.file_walk import EXTENSIONS
from cli.commands.client.audio.submission_entries import submission_items
from cli.commands.client.entries.entry import Refusal, never_done
from tests.support.audio_files import answer_with, write_fpcalc, write_mp3


@pytest.fixture(autouse=True)
def fpcalc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in place of fpcalc."""
    monkeypatch.setenv("PATH", str(write_fpcalc(tmp_path).parent), prepend=":")


def reasons(*paths: Path) -> list[str]:
    items, total = submission_items(paths, 1, never_done, {})
    found = [each.reason for each in items if isinstance(each, Refusal)]
    assert total == len(found)
    return found


def test_the_options_for_tags_are_named_for_a_single_file(tmp_path: Path) -> None:
    one, two = (write_mp3(tmp_path / name) for name in ("one.mp3", "two.mp3"))
    bare = "its tags have neither an MBID nor a title"
    assert reasons(one) == [f"{bare}: give --track or --mbid"]
    assert reasons(one, two) == [bare, bare]
    assert reasons(tmp_path) == [bare, bare]


def test_a_link_without_a_target_is_named(tmp_path: Path) -> None:
    link = tmp_path / "song.mp3"
    link.symlink_to(tmp_path / "none")
    assert reasons(link) == ["a link to a file that does not exist"]
    assert reasons(tmp_path / "none.mp3") == ["no such file or directory"]


def test_a_reason_does_not_repeat_the_name_of_the_file(tmp_path: Path) -> None:
    song = tmp_path / "song.flac"
    song.write_bytes(b"no audio")
    [reason] = reasons(song)
    assert "cannot be read: it is not a valid FLAC file" in reason
    assert "song" not in reason
    bad = write_mp3(tmp_path / "bad.mp3")
    answer_with(bad, f"echo \"ERROR: No audio in '{bad}'\" >&2; exit 2")
    items, _ = submission_items([bad], 1, never_done, {"track": "x"})
    assert [each.reason for each in items if isinstance(each, Refusal)] == [
        "fpcalc cannot read it: No audio in"
    ]


def test_the_documentation_lists_all_extensions() -> None:
    text = (Path(__file__).parents[6] / "docs" / "commands.md").read_text()
    listed = text.partition("The audio extensions, in any case, are:\n\n```\n")[2]
    assert set(listed.partition("```")[0].split()) == EXTENSIONS
