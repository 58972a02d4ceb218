"""``acoustid bench fingerprint``: the functions of `pipeline.fingerprint`, in µs of CPU.

The data are the real fingerprints of 948 words (120 s of audio) in
tests/data/compare_pairs.jsonl.gz. Each figure is the minimum of several rounds, since other
processes can only make a round slower.
"""

import gzip
import json
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.options import output_option, write_report
from cli.argument_checks import CheckedCommand
from pipeline.fingerprint import codec
from pipeline.fingerprint.compare import compare2, compare2_batch, compare2_within
from pipeline.fingerprint.distinct import count_distinct_batch
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.fingerprint.query import extract_query, extract_query_batch
from pipeline.fingerprint.simhash import simhash, simhash_batch
from pipeline.fingerprint.words import Words

DATA = Path(__file__).parents[1] / "tests" / "data" / "compare_pairs.jsonl.gz"
WORDS = 948
BATCH = 100
ROUNDS = 15


def read_texts() -> list[str]:
    """Return the texts of all fingerprints with `WORDS` words."""
    with gzip.open(DATA, "rt") as lines:
        texts = [row["text"] for row in map(json.loads, lines) if "text" in row]
    return [text for text in texts if codec.decode(text).words.size == WORDS]


def cpu_micros(work: Callable[[], object], units: int) -> float:
    """Return the minimum CPU time in µs of one unit of the work."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return round(min(times) / units * 1e6, 2)


def one_by_one(function: Callable[[Any], object], items: Iterable[Any]) -> Callable[[], object]:
    """Return a function that calls `function` for each item."""
    return lambda: [function(item) for item in items]


def measure_codec(texts: list[str]) -> dict[str, float]:
    """Measure decoding and encoding, single and in batches."""
    items = [codec.unpack_text(text) for text in texts]
    words = [codec.decompress(item).words for item in items]
    return {
        "unpack_text": cpu_micros(one_by_one(codec.unpack_text, texts), len(texts)),
        "decode": cpu_micros(one_by_one(codec.decode, texts), len(texts)),
        "decompress": cpu_micros(one_by_one(codec.decompress, items), len(items)),
        "decompress_batch": cpu_micros(lambda: codec.decompress_batch(items), len(items)),
        "compress": cpu_micros(one_by_one(codec.compress, words), len(words)),
    }


def measure_summaries(words: list[Words]) -> dict[str, float]:
    """Measure functions of one fingerprint."""
    return {
        "extract_query": cpu_micros(one_by_one(extract_query, words), len(words)),
        "extract_query_batch": cpu_micros(lambda: extract_query_batch(words), len(words)),
        "simhash": cpu_micros(one_by_one(simhash, words), len(words)),
        "simhash_batch": cpu_micros(lambda: simhash_batch(words), len(words)),
        "count_distinct_batch": cpu_micros(lambda: count_distinct_batch(words), len(words)),
        "fingerprint_gid": cpu_micros(
            one_by_one(lambda each: fingerprint_gid(1, each), words), len(words)
        ),
    }


def measure_compare(words: list[Words]) -> dict[str, float]:
    """Measure scores per pair: single pairs, all pairs of two lists, equal fingerprints."""
    single = list(pairwise(words[: BATCH + 1]))
    rows, columns = np.divmod(np.arange(400), 20)
    stored = words[: 5 * BATCH] * 2
    numbers = np.arange(len(stored))
    alike = [words[0]] * 20
    return {
        "compare2": cpu_micros(one_by_one(lambda pair: compare2(*pair), single), len(single)),
        "compare2_batch_20x20": cpu_micros(
            lambda: compare2_batch(words[:20], words[20:40], (rows, columns)), rows.size
        ),
        "compare2_batch_20x20_alike": cpu_micros(
            lambda: compare2_batch(alike, alike, (rows, columns)), rows.size
        ),
        "compare2_batch_100_queries_10_candidates_each": cpu_micros(
            lambda: compare2_batch(stored, words[:BATCH], (numbers, numbers % BATCH)), numbers.size
        ),
        "compare2_within_100": cpu_micros(
            lambda: compare2_within(words[:BATCH]), BATCH * (BATCH - 1) // 2
        ),
    }


@click.command(cls=CheckedCommand)
@output_option
def fingerprint(output: Path | None) -> None:
    """Measure the fingerprint functions, in µs of CPU per fingerprint or pair."""
    texts = read_texts()
    words = [codec.decode(text).words for text in texts]
    figures = {
        "unit": "µs of CPU per fingerprint or pair",
        "words": WORDS,
        "batch": BATCH,
        "codec": measure_codec(texts[:BATCH]),
        "summaries": measure_summaries(words[:BATCH]),
        "compare": measure_compare(words),
    }
    write_report("fingerprint", figures, output)


if __name__ == "__main__":
    fingerprint()
