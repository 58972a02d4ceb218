"""Twelve real recordings with degraded variants, and a plain reference of the alignment.

`tests/data/rough_excerpts.jsonl.gz` holds a recording a line: "id", "fingerprint" (text) and
"variants", each with "kind", "fingerprint" and, where they apply, "start" (s in the recording),
"speed", "intro" (s put before it) and "cut" (from and to in the recording, s).
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words

_FILE = Path(__file__).parents[2] / "data" / "rough_excerpts.jsonl.gz"


@dataclass(frozen=True)
class Recording:
    """A recording's words, and its variants by kind: their words and how they were made."""

    words: Words
    variants: dict[str, tuple[Words, dict[str, Any]]]


@cache
def recordings() -> list[Recording]:
    """Read the file, once for all tests."""
    with gzip.open(_FILE, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Recording(
            decode(row["fingerprint"]).words,
            {each["kind"]: (decode(each["fingerprint"]).words, each) for each in row["variants"]},
        )
        for row in rows
    ]


def shares_by_place(query: Words, document: Words) -> NDArray[np.float64]:
    """Return the share of agreeing bits of a query with each place of a longer document."""
    places = np.lib.stride_tricks.sliding_window_view(document, query.size)
    differences = (places ^ query).view(np.uint8)
    shares: NDArray[np.float64] = 1 - np.unpackbits(differences, axis=1).mean(axis=1)
    return shares
