"""`acoustid identify` with Debian's fpcalc."""

import math
import random
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from cli.commands.client.identify import calculate
from cli.stack.data_directory import DataDir
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


def write_melody(path: Path, seed: int, volume: float = 0.5) -> Path:
    """Write a WAV file of chords of two tones, each half a second long."""
    chosen = random.Random(seed)
    samples = array("h")
    for _ in range(2 * SECONDS):
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
    duration, fingerprint = calculate(original)
    submit(stack, fingerprint, duration, MBID)

    quiet_copy = write_melody(tmp_path / "copy.wav", seed=1, volume=0.2)
    other = write_melody(tmp_path / "other.wav", seed=2)
    answer = stack.acoustid("identify", str(quiet_copy), str(other))
    assert answer.returncode == 0, answer.stderr
    _, _, found = answer.stdout.partition(f"{quiet_copy}:")
    of_copy, _, of_other = found.partition(f"{other}:")
    assert MBID in of_copy
    assert MBID not in of_other


@needs(FPCALC)
def test_identify_refuses_a_file_that_is_not_audio(stack: WholeStack, tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("not audio")
    answer = stack.acoustid("identify", str(path))
    assert answer.returncode == 1
    assert f"{path}: fpcalc" in answer.stderr
