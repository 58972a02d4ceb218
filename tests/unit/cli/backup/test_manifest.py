"""The manifest of a backup: text, checks."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.backup.manifest import ManifestError, StoredFile, dump_name, parse_manifest
from tests.unit.cli.backup.manifests import manifest

TIME = datetime(2026, 12, 1, 1, 2, 3, 456, UTC)
FILES = {"all.dump": StoredFile(3, "00"), "acoustid.conf": StoredFile(1, "11")}
MANIFEST = replace(manifest(TIME, FILES), outside_files=("/etc/key.pem",))
[DUMP] = MANIFEST.dumps


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(MANIFEST.to_json()), **fields}).encode()


def changed_dump(**fields: Any) -> bytes:
    [dump] = json.loads(MANIFEST.to_json())["dumps"]
    return changed(dumps=[{**dump, **fields}])


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
        changed(created="2026-12-01T01:02:03"),
        changed(service=None),
        changed(dumps=[]),
        changed(dumps=[{}]),
        changed_dump(revisions={"ingest": ["1"]}),
        changed_dump(revisions={"ingest": "1"}),
        changed_dump(server_version=None),
        changed_dump(snapshot="2026-12-01T01:02:03"),
        changed_dump(names=["ingest", "fingerprint"]),
        changed(left_out=["musicbrainz"]),
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


@pytest.mark.parametrize("name", ["other", "ingest"])
def test_an_unknown_or_repeated_database_is_refused(name: str) -> None:
    names = (*DUMP.names[:-1], name)
    dump = replace(DUMP, names=names, revisions=dict.fromkeys(names, "1"))
    with pytest.raises(ManifestError):
        parse_manifest(replace(MANIFEST, dumps=(dump,)).to_json().encode(), "here")


def test_a_database_that_is_left_out_has_no_dump() -> None:
    names = DUMP.names[:-1]
    dump = replace(DUMP, names=names, revisions=dict.fromkeys(names, "1"))
    found = replace(MANIFEST, dumps=(dump,), left_out=("musicbrainz",))
    assert parse_manifest(found.to_json().encode(), "here") == found
