"""The manifest of a backup: text, checks."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.backup.manifest import (
    BackupManifest,
    Counts,
    DatabaseDump,
    ManifestError,
    StoredFile,
    dump_name,
    parse_manifest,
)

TIME = datetime(2026, 12, 1, 1, 2, 3, 456, UTC)
DUMP = DatabaseDump(("ingest", "app"), "ingest+app.dump", "a", {"app": "1"}, 180001, 18, TIME)
MANIFEST = BackupManifest(
    created=TIME,
    acoustid_version="1.0",
    service="1:2",
    dumps=(DUMP,),
    files={"ingest+app.dump": StoredFile(3, "00"), "acoustid.conf": StoredFile(1, "11")},
    counts=Counts(1, 2, 3),
    left_out=("musicbrainz",),
    outside_files=("/etc/key.pem",),
)


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(MANIFEST.to_json()), **fields}).encode()


def test_the_text_of_a_manifest_has_all_of_it() -> None:
    assert parse_manifest(MANIFEST.to_json().encode(), "here") == MANIFEST
    assert MANIFEST.size() == 4


def test_a_dump_is_named_after_its_databases() -> None:
    assert dump_name(("ingest", "app")) == "ingest+app.dump"


def test_another_format_is_refused() -> None:
    with pytest.raises(ManifestError, match="here is not a backup of acoustid"):
        parse_manifest(changed(format="acoustid-export"), "here")


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(ManifestError, match="has version 2, and this program reads version 1"):
        parse_manifest(changed(version=2), "here")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"text"',
        b"\xff",
        MANIFEST.to_json().encode()[:-20],
        b"[" * 100_000,
        changed(created="yesterday"),
        changed(dumps=[{}]),
        changed(counts={"fingerprints": 1}),
        changed(files={}),
        changed(files={**json.loads(MANIFEST.to_json())["files"], "x": {"size": "1"}}),
    ],
)
def test_a_damaged_text_is_refused(text: bytes) -> None:
    with pytest.raises(ManifestError, match=r"here has a damaged backup\.json"):
        parse_manifest(text, "here")


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", ".hidden", "", "backup.json"])
def test_a_member_outside_of_the_backup_is_refused(name: str) -> None:
    files = {**MANIFEST.files, name: StoredFile(1, "00")}
    with pytest.raises(ManifestError):
        parse_manifest(replace(MANIFEST, files=files).to_json().encode(), "here")


def test_an_unknown_database_is_refused() -> None:
    dump = replace(DUMP, names=("ingest", "other"))
    with pytest.raises(ManifestError):
        parse_manifest(replace(MANIFEST, dumps=(dump,)).to_json().encode(), "here")
