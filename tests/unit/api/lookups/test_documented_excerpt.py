"""The example of an excerpt in ``docs/api.md`` is a part of a recording of the sample catalogue."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from cli.sample.recordings import sample_recordings
from pipeline.excerpts.alignment import WORD_SECONDS
from pipeline.fingerprint.codec import decode

DOCUMENT = Path(__file__).parents[4] / "docs" / "api.md"


def test_the_reply_names_the_recording_and_the_place_of_the_excerpt() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = re.split(r"^#### ", text.partition("#### Excerpts\n")[2], flags=re.MULTILINE)[0]
    sent = decode(re.findall(r"-d fingerprint=(\S+)$", section, flags=re.MULTILINE)[0]).words
    [result] = json.loads(section.split("```")[3])["results"]
    [mbid] = (each["id"] for each in result["recordings"])
    [whole] = (decode(each.fingerprint).words for each in sample_recordings() if each.mbid == mbid)
    place = round(result["match"]["offset"] / WORD_SECONDS)
    assert np.array_equal(whole[place : place + sent.size], sent)
    assert result["match"]["duration"] == pytest.approx(sent.size * WORD_SECONDS, abs=0.05)
    assert (result["match"]["matched"], result["score"]) == (1.0, 1.0)
