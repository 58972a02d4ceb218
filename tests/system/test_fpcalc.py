"""`acoustid identify`, `submit` and `import --format audio` with Debian's fpcalc."""

import json
import math
import os
import random
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from cli.commands.client.audio.fpcalc import (
    WHOLE_FILE,
    Fingerprinted,
    calculate,
    find_fpcalc,
)
from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.audio_tags import read_tags
from cli.stack.data_directory import DataDir
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.public_part import PUBLIC_WORDS, public_part
from tests.support.polling import eventually
from tests.support.processes.whole_stack import WholeStack, running_stack
from tests.system.packages import FPCALC, needs
from tests.system.round_trip import submit

RATE = 11025
"""Samples per second; Chromaprint resamples to this rate."""

SECONDS = 20
MBID = str(UUID(int=0x5D1F0C5E11114AAA8AAA000000000001))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    data = DataDir.at(tmp_path_factory.mktemp("fpcalc") / "data")
    with running_stack(data, WholeStack) as running:
        yield running


def write_melody(path: Path, seed: int, volume: float = 0.5, seconds: int = SECONDS) -> Path:
    """Write a WAV file of chords of two tones, each half a second long."""
    path.parent.mkdir(exist_ok=True)
    chosen = random.Random(seed)
    samples = array("h")
    for _ in range(2 * seconds):
        low, high = (220 * 2 ** (chosen.randrange(24) / 12) for _ in range(2))
        for at in range(RATE // 2):
            angle = 2 * math.pi * at / RATE
            tone = math.sin(low * angle) + math.sin(high * angle)
            samples.append(int(0.5 * volume * 32767 * tone))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


@needs(FPCALC)
def test_identify_finds_the_recording_of_a_file(stack: WholeStack, tmp_path: Path) -> None:
    original = write_melody(tmp_path / "original.wav", seed=1)
    found = calculate(original, find_fpcalc())
    submit(stack, found.fingerprint, found.duration, MBID)

    quiet_copy = write_melody(tmp_path / "copy.wav", seed=1, volume=0.2)
    other = write_melody(tmp_path / "other.wav", seed=2)
    answer = stack.acoustid("identify", str(quiet_copy), str(other))
    assert answer.returncode == 0, answer.stderr
    _, _, found = answer.stdout.partition(f"{quiet_copy}:")
    of_copy, _, of_other = found.partition(f"{other}:")
    assert MBID in of_copy
    assert MBID not in of_other


@needs(FPCALC)
def test_submit_sends_the_tags_of_the_files_in_a_directory(
    stack: WholeStack, tmp_path: Path
) -> None:
    tagged = write_melody(tmp_path / "music" / "tagged.wav", seed=5)
    write_melody(tmp_path / "music" / "untagged.wav", seed=6)
    tags = read_tags(tagged)
    tags.set(tag_names.TITLE, "Harbour Lights")
    tags.set(tag_names.ARTIST, "Northern Pier")
    tags.save(tagged)
    answer = stack.acoustid("submit", str(tagged.parent))
    assert answer.returncode == 4, answer.stderr
    assert "1 imported" in answer.stdout
    assert "untagged.wav was refused" in answer.stderr
    eventually(stack.index_is_current)

    copy = write_melody(tmp_path / "copy.wav", seed=5, volume=0.2)
    found = stack.acoustid("identify", str(copy))
    assert "Northern Pier - Harbour Lights" in found.stdout
    written = stack.acoustid("identify", str(copy), "--write-tags", "--yes")
    assert written.stdout.endswith("1 file was changed.\n")
    assert read_tags(copy).get(tag_names.TITLE) == ["Harbour Lights"]


@needs(FPCALC)
def test_a_bad_file_in_a_directory_does_not_end_the_run(stack: WholeStack, tmp_path: Path) -> None:
    good = write_melody(tmp_path / "music" / "2 good.wav", seed=3)
    bad = {
        "1 text.mp3": (b"not audio", "fpcalc cannot read it"),
        "3 empty.flac": (b"", "fpcalc cannot read it"),
        "4 short.wav": (good.read_bytes()[: 44 + RATE], "too short"),
    }
    for name, (content, _) in bad.items():
        good.with_name(name).write_bytes(content)
    answer = stack.acoustid("identify", str(good.parent))
    assert answer.returncode == 4, answer.stderr
    assert answer.stdout.startswith(f"{good}:")
    reasons = answer.stderr.splitlines()
    assert len(reasons) == len(bad)
    for (name, (_, reason)), line in zip(bad.items(), reasons, strict=True):
        assert line.startswith(f"{good.with_name(name)}: {reason}")
    alone = stack.acoustid("identify", str(good.with_name("1 text.mp3")))
    assert (alone.returncode, alone.stdout) == (1, "")


@needs(FPCALC)
def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    path = write_melody(tmp_path / "x.wav", seed=4)
    renamed = path.rename(os.fsdecode(os.fsencode(tmp_path) + b"/-\xff [%03d].wav"))
    found = calculate(renamed, find_fpcalc())
    assert isinstance(found, Fingerprinted)
    assert found.duration == SECONDS


@needs(FPCALC)
def test_the_fingerprint_of_a_whole_file_begins_with_that_of_120_s(tmp_path: Path) -> None:
    """The public algorithm relies on it."""
    path = write_melody(tmp_path / "long.wav", seed=5, seconds=150)
    first = decode(calculate(path, find_fpcalc()).fingerprint).words
    whole = calculate(path, find_fpcalc(), WHOLE_FILE)
    words = decode(whole.fingerprint).words
    assert (whole.duration, first.size) == (150, PUBLIC_WORDS)
    assert words.size == (150 * RATE - 4096) // 1365 - 18
    assert np.array_equal(public_part(words), first)


@needs(FPCALC)
def test_a_folder_of_audio_files_is_imported_once(stack: WholeStack, tmp_path: Path) -> None:
    """A quiet copy joins its track; files without a title and of other data are refused."""
    music = tmp_path / "music"
    for name, seed, volume in (("one", 11, 0.5), ("copy", 11, 0.2), ("two", 12, 0.5)):
        path = write_melody(music / f"{name}.wav", seed=seed, volume=volume)
        tags = read_tags(path)
        tags.set(tag_names.TITLE, f"Title {seed}")
        tags.save(path)
    write_melody(music / "untagged.wav", seed=13)
    (music / "text.mp3").write_bytes(b"not audio")
    rejects = tmp_path / "rejects"
    arguments = ("import", "--format", "audio", str(music), "--on-error", "skip")
    first = stack.acoustid(*arguments, "--rejects", str(rejects))
    assert first.returncode == 4, first.stderr
    assert "3 files imported, 2 files skipped" in first.stdout
    refused = {Path(json.loads(each)["file"]).name for each in rejects.read_text().splitlines()}
    assert refused == {"untagged.wav", "text.mp3"}
    again = stack.acoustid(*arguments)
    assert "0 files imported" in again.stdout + again.stderr
    found = stack.acoustid("identify", str(music / "copy.wav"), str(music / "two.wav")).stdout
    _, _, of_copy = found.partition(f"{music / 'copy.wav'}:")
    of_copy, _, of_other = of_copy.partition(f"{music / 'two.wav'}:")
    assert "Title 11" in of_copy
    assert "Title 11" not in of_other
    assert "Title 12" in of_other
