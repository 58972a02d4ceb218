"""The files that an import finds in a folder."""

from pathlib import Path

from pipeline.bulk_import.files.input_files import find_files

NAME = "2026-12-01-track-update.jsonl.gz"


def test_other_files_are_named_but_not_the_own_ones_of_an_export(tmp_path: Path) -> None:
    for name in (NAME, ".lock", "index.html", "2026-12-01-other-update.jsonl.gz"):
        (tmp_path / name).write_bytes(b"")
    found = find_files(tmp_path)
    assert [file.path.name for file in found.files] == [NAME]
    assert found.other == ("2026-12-01-other-update.jsonl.gz", "index.html")
