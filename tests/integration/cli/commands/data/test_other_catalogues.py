"""`acoustid import --format`: CSV and JSON lines become submissions, each once."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import pytest
import sqlalchemy as sa

from cli.commands.data.catalogues.run import CatalogueOptions, import_catalogue
from cli.commands.data.catalogues.steps import Format
from cli.errors import StackError
from pipeline.bulk_import.files.run import only_import
from pipeline.bulk_import.submissions.submitter import NAME
from pipeline.catalog.app.accounts import create_account, create_application
from pipeline.catalog.app.tables import application
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import tables
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.fingerprint.codec import encode
from pipeline.fingerprint_store import open_store
from pipeline.index import open_reader
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.synthetic import fingerprint, near_copy

Import = Callable[..., None]


def mbid(number: int) -> str:
    return str(UUID(int=0x5D1F0C5E_1111_4AAA_8AAA_000000000000 + number))


def line(seed: int, **fields: Any) -> dict[str, Any]:
    """Return the fields of a recording that only this seed has."""
    text = encode(fingerprint(seed))
    return {"fingerprint": text, "duration": 200, "mbid": mbid(seed), **fields}


def json_file(path: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


@pytest.fixture
def alone(settings: Settings, databases: Databases, tmp_path: Path) -> Settings:
    """Settings with a sketch index of the test."""
    del databases  # emptied
    sketch = {"sketch_path": tmp_path / "sketch"}
    index = settings.fingerprint_index.model_copy(update=sketch)
    return settings.model_copy(update={"fingerprint_index": index})


@pytest.fixture
def run(alone: Settings) -> Import:
    def call(source: Path, kind: Format = "jsonl", **options: Any) -> None:
        import_catalogue(kind, source, alone, CatalogueOptions(**options))

    return call


def rows(databases: Databases, table: sa.Table) -> list[dict[str, Any]]:
    name: DatabaseName = "ingest" if table.metadata is ingest_tables.METADATA else "fingerprint"
    with databases.engine(name).connect() as connection:
        found = connection.execute(sa.select(table).order_by(table.primary_key.columns[0]))
        return [dict(row) for row in found.mappings()]


def counts(databases: Databases) -> tuple[int, int, int]:
    """Return the numbers of submissions, tracks and fingerprints."""
    return (
        len(rows(databases, ingest_tables.submission)),
        len(rows(databases, tables.track)),
        len(rows(databases, tables.fingerprint)),
    )


def test_lines_become_submissions_of_the_account_of_imports(
    run: Import, databases: Databases, alone: Settings, tmp_path: Path
) -> None:
    twin = line(1, fingerprint=encode(near_copy(fingerprint(1), 7, 0.01)), mbid=mbid(3))
    texts = {"track": "A title", "artist": "An artist", "trackno": "3", "year": 1999}
    two = [mbid(2), mbid(4)]
    run(json_file(tmp_path / "all.jsonl", line(1), line(2, mbid=two), "", twin, line(5, **texts)))
    assert counts(databases) == (5, 3, 3)
    states = [row["state"] for row in rows(databases, ingest_tables.submission)]
    assert set(states) == {"imported"}
    links = {(row["track_id"], str(row["mbid"])) for row in rows(databases, tables.track_mbid)}
    assert links == {
        (1, mbid(1)),
        (2, mbid(2)),
        (2, mbid(4)),
        (1, mbid(3)),
        (3, mbid(5)),
    }
    [meta] = rows(databases, tables.meta)
    assert (meta["track"], meta["track_no"], meta["year"]) == ("A title", 3, 1999)
    with databases.engine("app").connect() as connection:
        assert connection.execute(sa.select(application.c.name)).scalars().all() == [NAME]
    with open_reader(alone.fingerprint_index.path) as index:
        assert index.stats().documents == 3
    with databases.engine("fingerprint").connect() as connection:
        newest = newest_position(connection)
    assert open_store(alone.fingerprint_store.path).position() == newest


def test_a_second_run_imports_only_new_lines(
    run: Import, databases: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = json_file(tmp_path / "all.jsonl", line(1), line(2))
    run(path)
    run(path)
    assert counts(databases)[0] == 2
    assert "imported before, after line 2" in capsys.readouterr().err
    json_file(path, line(1), line(2), line(3))
    run(path)
    assert counts(databases) == (3, 3, 3)
    assert capsys.readouterr().out == "1 line imported\n"


def test_a_copy_of_an_imported_file_is_left_out(
    run: Import, databases: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = json_file(tmp_path / "all.jsonl", line(1))
    run(path)
    copy = tmp_path / "copy.jsonl.gz"
    copy.write_bytes(gzip.compress(path.read_bytes()))
    run(copy)
    assert counts(databases)[0] == 1
    assert f"imported before, as {path}" in capsys.readouterr().err


def test_changed_lines_of_an_imported_file_are_refused(
    run: Import, databases: Databases, tmp_path: Path
) -> None:
    path = json_file(tmp_path / "all.jsonl", line(1), line(2))
    run(path)
    json_file(path, line(3), line(2), line(4))
    with pytest.raises(StackError, match="its first 2 lines were imported, and have changed"):
        run(path)
    assert counts(databases)[0] == 2


def test_csv_has_quoted_values_and_several_mbids(
    run: Import, databases: Databases, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    header = "duration;track;mbid;FINGERPRINT;other\r\n"
    (tmp_path / "folder/a.csv").write_text(
        header
        + f'200;"a ""title"";\nin two lines";;{line(1)["fingerprint"]};x\r\n'
        + f"201.5;;{mbid(2)} {mbid(3)};{line(2)['fingerprint']};\r\n",
        newline="",
    )
    tabs = f"fingerprint\tduration\tmbid\n{line(3)['fingerprint']}\t210\t{mbid(4)}\n"
    (tmp_path / "folder/b.csv.gz").write_bytes(gzip.compress(tabs.encode()))
    run(tmp_path / "folder", "csv")
    assert counts(databases) == (4, 3, 3)
    [meta] = rows(databases, tables.meta)
    assert meta["track"] == 'a "title"; in two lines'
    lengths = [row["length"] for row in rows(databases, tables.fingerprint)]
    assert lengths == [200, 202, 210]


def test_the_first_bad_line_stops_the_run_and_the_next_one_goes_on(
    run: Import, databases: Databases, tmp_path: Path
) -> None:
    path = json_file(tmp_path / "all.jsonl", line(1), {**line(2), "mbid": "no"}, line(3))
    with pytest.raises(StackError) as caught:
        run(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert "mbid" in str(caught.value)
    assert counts(databases) == (0, 0, 0)
    json_file(path, line(1), line(2), line(3))
    run(path)
    assert counts(databases) == (3, 3, 3)


SILENCE = encode(fingerprint(9)[:1].repeat(500))


def test_bad_lines_are_skipped_and_named_as_asked(
    run: Import, databases: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: list[tuple[dict[str, Any] | str, str]] = [
        ("[1]", "not a JSON object"),
        ('{"fingerprint": "AQ', "not valid JSON"),
        ({**line(1), "duration": 0}, "duration must be a number of seconds"),
        ({**line(1), "fingerprint": "AQAAbad!"}, "invalid fingerprint"),
        ({**line(1), "mbid": None}, "give an MBID, a PUID, or metadata"),
        ({**line(1), "mbid": "no"}, "mbid"),
        ({**line(1), "foreignid": "no vendor"}, "foreign"),
        ({**line(1), "fingerprint": SILENCE}, "its fingerprint has 1 distinct words"),
    ]
    path = json_file(tmp_path / "all.jsonl", line(1), *(each for each, _ in bad), line(2))
    rejects = tmp_path / "rejects"
    with pytest.raises(click.exceptions.Exit) as caught:
        run(path, on_error="skip", rejects=rejects)
    assert caught.value.exit_code == 4
    assert counts(databases) == (2, 2, 2)
    shown = capsys.readouterr()
    assert shown.out == f"2 lines imported, {len(bad)} lines skipped\n"
    told = shown.err.splitlines()
    found = [json.loads(each) for each in rejects.read_text().splitlines()]
    for number, ((content, reason), record) in enumerate(zip(bad, found, strict=True), 2):
        assert record["line"] == number
        assert reason in record["reason"]
        text = content if isinstance(content, str) else json.dumps(content)
        assert record["content"] == text
        assert f"{path}:{number}: {record['reason']}" in told


def test_a_cut_file_is_named_and_continued_when_it_is_whole(
    run: Import, databases: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = json_file(tmp_path / "plain", *(line(seed) for seed in range(1, 31)))
    whole = gzip.compress(path.read_bytes())
    cut = tmp_path / "all.jsonl.gz"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(click.exceptions.Exit):
        run(cut, on_error="skip")
    before = counts(databases)[0]
    assert 5 < before < 25
    assert f"{cut}:{before + 1}: the gzip data ends early" in capsys.readouterr().err
    cut.write_bytes(whole)
    run(cut)
    assert counts(databases) == (30, 30, 30)


def rename(databases: Databases, old: str, new: str) -> None:
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_receipts_of_a_killed_run_are_imported_by_the_next_one(
    run: Import, databases: Databases, tmp_path: Path
) -> None:
    path = json_file(tmp_path / "all.jsonl", line(1), line(2))
    rename(databases, "submission_import", "away")  # no import can be committed
    try:
        with pytest.raises(StackError, match="Run the command again: it goes on"):
            run(path)
    finally:
        rename(databases, "away", "submission_import")
    assert counts(databases) == (2, 0, 0)
    run(path)
    assert counts(databases) == (2, 2, 2)
    assert {row["state"] for row in rows(databases, ingest_tables.submission)} == {"imported"}


def test_lines_belong_to_the_holders_of_the_given_keys(
    run: Import, databases: Databases, tmp_path: Path
) -> None:
    with databases.engine("app").begin() as connection:
        owner = create_account(connection, "Owner")
        app = create_application(connection, "Shop", account_id=owner.id)
        user = create_account(connection, "User")
    path = json_file(tmp_path / "all.jsonl", line(1))
    run(path, application=app.key)
    run(path, application=app.key, user=user.key)  # another submitter: imported again
    found = [
        (row["application_id"], row["account_id"])
        for row in rows(databases, ingest_tables.submission)
    ]
    assert found == [(app.id, owner.id), (app.id, user.id)]
    with pytest.raises(StackError, match="--application: no active application"):
        run(path, application="unknown")
    with pytest.raises(StackError, match="--user: no active account"):
        run(path, user="unknown")


def test_a_second_import_at_the_same_time_is_refused(
    run: Import, databases: Databases, tmp_path: Path
) -> None:
    path = json_file(tmp_path / "all.jsonl", line(1))
    with only_import(databases), pytest.raises(StackError, match="another import runs"):
        run(path)
    run(path)
    assert counts(databases)[0] == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "fingerprint,mbid\n", "must name the columns"),
        ("a.csv", "", "must name the columns"),
        ("a.csv", "duration,fingerprint,mbid,mbid\n", "names the column mbid twice"),
        ("none", None, "neither a file nor a folder"),
        (".", None, "has no file"),
    ],
)
def test_an_unusable_source_is_refused(
    run: Import, tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    path = folder / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(StackError, match=reason):
        run(path, "csv")
