"""Fingerprints that tests share: reproducible ones, and the file of real ones.

`tests/data/compare_pairs.jsonl.gz` holds, one JSON object a line, first the texts of 696
fingerprints of real music, some of them altered ({"text"}); then 600 pairs of them, by line
number, with the score that the PostgreSQL extension gives ({"a", "b", "max_offset", "compare2",
"kind", "src"}); and 150 with their query terms, simhash and first words ({"fingerprint",
"query", "simhash", "words", "num_words"}), signed as SQL has them.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words, as_words

_FILE = Path(__file__).parents[2] / "data" / "compare_pairs.jsonl.gz"


@dataclass(frozen=True)
class RealData:
    """What the file holds, fingerprints decoded and put in place of their numbers."""

    texts: list[str]
    words: list[Words]
    pairs: list[dict[str, Any]]
    queries: list[dict[str, Any]]


@cache
def real_data() -> RealData:
    """Read the file, once for all tests."""
    with gzip.open(_FILE, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    texts = [row["text"] for row in rows if "text" in row]
    return RealData(
        texts=texts,
        words=[decode(text).words for text in texts],
        pairs=[row for row in rows if "compare2" in row],
        queries=[row for row in rows if "query" in row],
    )


def lcg(seed: int) -> Iterator[int]:
    """Generate the numbers of a linear congruential generator."""
    x = seed
    while True:
        x = (x * 1664525 + 1013904223) % 2**32
        yield x


def walk(seed: int, n: int, flips: int) -> Words:
    """Return n words, each with some bits of the one before flipped."""
    numbers = lcg(seed)
    current = next(numbers)
    words = []
    for _ in range(n):
        for _ in range(flips):
            current ^= 1 << (next(numbers) >> 27)
        words.append(current)
    return as_words(words)


@cache
def song() -> Words:
    """Return the 948 words that the vectors call A, as long as 120 s of audio give."""
    return walk(42, 948, 3)


def flip(words: Words, every: int, mask: int) -> Words:
    """Return a copy with the mask's bits flipped in each word at a multiple of `every`."""
    copy = words.copy()
    copy[::every] ^= np.uint32(mask)
    return copy
