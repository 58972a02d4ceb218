"""`acoustid import --format jsonl`, killed at any moment, imports each line once."""

import json
import random
from pathlib import Path

import sqlalchemy as sa

from pipeline.fingerprint.codec import encode
from pipeline.index import open_reader
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.synthetic import fingerprint
from tests.support.import_process import start_catalogue_import

ROWS = 60
BATCH = 4


def test_a_killed_import_of_another_catalogue_imports_no_line_twice(
    settings: Settings, databases: Databases, tmp_path: Path
) -> None:
    file = tmp_path / "lines.jsonl"
    with file.open("w") as lines:
        for number in range(ROWS):
            recording = number % (ROWS // 2)  # each comes twice
            text = encode(fingerprint(recording))
            fields = {"fingerprint": text, "duration": 200, "track": f"Title {recording}"}
            lines.write(json.dumps(fields) + "\n")
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for _ in range(3):
        process = start_catalogue_import(settings, file, BATCH)
        process.join(chance.uniform(1.5, 3.0))
        process.kill()
        process.join()
    process = start_catalogue_import(settings, file, BATCH)
    process.join(100)
    assert process.exitcode == 0, f"seed {seed}"
    with databases.engine("fingerprint").connect() as connection:
        for statement, expected in (
            ("SELECT count(*) FROM track", ROWS // 2),
            ("SELECT sum(submission_count) FROM fingerprint", ROWS),
            ("SELECT sum(submission_count) FROM track_meta", ROWS),
            ("SELECT count(*) FROM submission_import", ROWS),
        ):
            assert connection.scalar(sa.text(statement)) == expected, f"{statement}, seed {seed}"
    with databases.engine("ingest").connect() as connection:
        found = connection.execute(sa.text("SELECT state, count(*) FROM submission GROUP BY state"))
        assert found.all() == [("imported", ROWS)], f"seed {seed}"
    with open_reader(settings.fingerprint_index.path) as index:
        assert index.stats().documents == ROWS // 2
