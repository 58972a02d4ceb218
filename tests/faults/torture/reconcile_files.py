"""Compares index, store and sketch index with the fingerprint database, document by document."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import tables
from pipeline.excerpts.sketch_folders import other_rates, sketch_folder
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint.sketch import sketch_terms
from pipeline.fingerprint.words import Words
from pipeline.fingerprint_store.check import verify_store
from pipeline.fingerprint_store.reader import open_store
from pipeline.index import open_reader, verify
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.segments.postings import TERM_SHIFT, documents_of
from pipeline.index.segments.segment import IndexSegment
from pipeline.runtime.databases import Databases
from pipeline.storage.snapshot import load_snapshot

Documents = Mapping[int, frozenset[int]]


def reconcile_index(databases: Databases, path: Path) -> list[str]:
    """Return one line for each difference between an index and the database.

    The index must have applied the whole changelog.
    """
    return _index_problems("index", databases, path, extract_query)


def reconcile_sketch(databases: Databases, directory: Path, rate: int) -> list[str]:
    """Return one line for each difference between a sketch index and the database.

    The sketch index must have applied the whole changelog, and replaced those of other rates.

    Args:
        databases: the databases.
        directory: the directory of the settings.
        rate: the rate of the settings.
    """

    def terms(words: Words) -> Words:
        return sketch_terms(words, rate)

    return [
        *_index_problems("sketch", databases, sketch_folder(directory, rate), terms),
        *(f"sketch: the index of rate {each} remains" for each in other_rates(directory, rate)),
    ]


def reconcile_store(databases: Databases, path: Path) -> list[str]:
    """Return one line for each difference between a store and the database.

    The store must have applied the whole changelog.
    """
    problems = [f"store: {problem}" for problem in verify_store(path)]
    if problems:
        return problems
    store = open_store(path)
    try:
        expected = _fingerprints(databases)
        stats = store.stats()
        found = store.find(list(expected))
    finally:
        store.close()
    problems = list(_position_problems("store", databases, stats.position))
    problems += [f"store: fingerprint {key} is missing" for key in found.missing]
    for key, row in found.rows.items():
        wanted = expected[key]
        if not np.array_equal(row.words, np.frombuffer(wanted.words, "<u4")):
            problems.append(f"store: fingerprint {key} has other words")
        if (row.length, row.track_id, row.track_gid) != (
            wanted.length,
            wanted.track_id,
            wanted.gid.bytes,
        ):
            problems.append(f"store: fingerprint {key} has another length or track")
    return problems


def indexed_terms(path: Path) -> Documents:
    """Return the terms of each document of an index, from its postings."""
    found: dict[int, frozenset[int]] = {}
    for segment in load_snapshot(INDEX_FORMAT, path).segments.segments:
        for dropped in segment.ids.tolist():
            found.pop(dropped, None)
        found.update(_terms_of(segment))
    return found


def _index_problems(
    what: str, databases: Databases, path: Path, terms: Callable[[Words], Words]
) -> list[str]:
    problems = [f"{what}: {problem}" for problem in verify(path)]
    if problems:
        return problems
    with open_reader(path) as reader:
        position = reader.position()
    return [
        *_position_problems(what, databases, position),
        *_document_problems(what, _expected_terms(databases, terms), indexed_terms(path)),
    ]


def _terms_of(segment: IndexSegment) -> Documents:
    terms: dict[int, set[int]] = {each: set() for each in segment.documents.tolist()}
    for keys in segment.parts():
        ids = segment.documents[documents_of(keys)].tolist()
        for document, term in zip(ids, (keys >> TERM_SHIFT).tolist(), strict=True):
            terms[document].add(term)
    return {key: frozenset(values) for key, values in terms.items()}


def _expected_terms(databases: Databases, terms: Callable[[Words], Words]) -> Documents:
    return {
        key: frozenset(terms(_words(row.words)).tolist())
        for key, row in _fingerprints(databases).items()
    }


def _words(stored: bytes) -> Words:
    return np.frombuffer(stored, "<u4")


def _document_problems(what: str, expected: Documents, found: Documents) -> Iterator[str]:
    for key in sorted(set(expected) - set(found)):
        if expected[key]:
            yield f"{what}: fingerprint {key} is missing"
    for key in sorted(set(found) - set(expected)):
        yield f"{what}: document {key} is no fingerprint of the database"
    for key in sorted(set(found) & set(expected)):
        if found[key] != expected[key]:
            yield (
                f"{what}: document {key} lacks {len(expected[key] - found[key])} terms and has "
                f"{len(found[key] - expected[key])} others"
            )


def _position_problems(what: str, databases: Databases, position: int) -> Iterator[str]:
    with databases.engine("fingerprint").connect() as connection:
        newest = newest_position(connection)
    if position != newest:
        yield f"{what}: position {position}, but the changelog's is {newest}"


def _fingerprints(databases: Databases) -> dict[int, "sa.Row[tuple[object, ...]]"]:
    row, track = tables.fingerprint, tables.track
    statement = sa.select(row.c.id, row.c.words, row.c.length, row.c.track_id, track.c.gid)
    with databases.engine("fingerprint").connect() as connection:
        found = connection.execute(statement.join_from(row, track, row.c.track_id == track.c.id))
        return {each.id: each for each in found}
