"""A sketch index of the catalogue, and excerpts of real recordings."""

from pathlib import Path

import numpy as np

from pipeline.excerpts.alignment import WORD_SECONDS
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint.codec import decode
from pipeline.following.copies import rebuild_copy
from pipeline.following.index_copy import sketch_index
from pipeline.index import open_writer
from pipeline.runtime.databases import Databases
from tests.support.catalogue.recordings import recordings
from tests.support.catalogue.synthetic import Words, near_copy

RATE = 2
FLIPPED = 0.03
"""Share of the bits that an excerpt does not have in common with its recording."""


def fill_sketch(databases: Databases, directory: Path) -> None:
    """Write a sketch index of all fingerprints, in the folder of its rate.

    Args:
        databases: the fingerprints are in the fingerprint database.
        directory: the directory of the settings.
    """
    with open_writer(sketch_folder(directory, RATE)) as writer:
        rebuild_copy(sketch_index(writer, RATE), databases, lambda _: None)


def recording(number: int) -> Words:
    """Return the words of a real recording."""
    return decode(recordings()[number].original.fingerprint).words


def excerpt(number: int, seconds: float, length: float = 15.0) -> Words:
    """Return an excerpt of a real recording, with some bits flipped.

    Args:
        number: the number of the recording.
        seconds: the place of its first word.
        length: its length in seconds.
    """
    first, words = round(seconds / WORD_SECONDS), round(length / WORD_SECONDS)
    return near_copy(recording(number)[first : first + words], number, FLIPPED)


def place(seconds: float) -> float:
    """Return the place of the word at which an excerpt of `excerpt` begins, two decimals."""
    return round(round(seconds / WORD_SECONDS) * WORD_SECONDS, 2)


def with_intro(words: Words, seconds: float) -> Words:
    """Return a fingerprint after so many seconds of other sound."""
    other = np.random.default_rng(1).integers(0, 2**32, round(seconds / WORD_SECONDS))
    return np.concatenate([other.astype(np.uint32), words])
