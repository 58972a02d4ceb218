"""A start empties a damaged sketch index or one of another database; a worker fills it again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.stack.preparation import prepare
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.following.followers import raise_failure, update_followers
from pipeline.following.index_copy import sketch_index
from pipeline.index import open_reader, open_writer
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import move_in_time
from tests.support.catalogue.synthetic import fingerprint

RATE = 8


def lose_a_segment(folder: Path, _databases: Databases) -> None:
    [segment] = folder.glob("*.segment")
    segment.unlink()


def restore_the_database(_folder: Path, databases: Databases) -> None:
    move_in_time(databases, "1 second")


def fill(folder: Path, databases: Databases) -> None:
    with open_writer(folder) as writer:
        update_followers([sketch_index(writer, RATE)], databases, failed=raise_failure)


def with_sketch(settings: Settings, directory: Path) -> Settings:
    index = settings.fingerprint_index.model_copy(
        update={"sketch_rate": RATE, "sketch_path": directory}
    )
    return settings.model_copy(update={"fingerprint_index": index})


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda _folder, _databases: None, ""),
        (lose_a_segment, "is missing"),
        (restore_the_database, "another database"),
    ],
)
def test_only_an_unusable_sketch_index_is_emptied(
    settings: Settings,
    databases: Databases,
    tmp_path: Path,
    harm: Callable[[Path, Databases], None],
    reason: str,
) -> None:
    here = with_sketch(settings, tmp_path / "sketch")
    index = here.fingerprint_index
    folder = sketch_folder(index.sketch_path, RATE)
    importer = Importer(databases, index.path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2)), index=False)
    fill(folder, databases)
    harm(folder, databases)
    said: list[str] = []
    prepare(here, said.append)
    emptied = [line for line in said if "emptying the sketch index" in line]
    assert bool(emptied) == bool(reason)
    assert all(reason in line for line in emptied)
    with open_reader(folder) as reader:
        assert reader.position() == (0 if reason else 2)
    fill(folder, databases)
    with open_reader(folder) as reader:
        assert reader.stats().documents == 2


def is_a_file(directory: Path) -> None:
    directory.touch()


def has_an_unknown_file(directory: Path) -> None:
    folder = sketch_folder(directory, RATE)
    folder.mkdir(parents=True)
    (folder / "x.segment").touch()


def has_a_file_as_folder(directory: Path) -> None:
    directory.mkdir()
    sketch_folder(directory, RATE).touch()


@pytest.mark.parametrize("harm", [is_a_file, has_an_unknown_file, has_a_file_as_folder])
def test_a_start_goes_on_if_it_cannot_be_emptied(
    settings: Settings, databases: Databases, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """Lookups do not need it. No file that is not ours is changed."""
    del databases
    directory = tmp_path / "sketch"
    harm(directory)
    before = sorted(tmp_path.rglob("*"))
    said: list[str] = []
    prepare(with_sketch(settings, directory), said.append)
    assert any(line.startswith("starting without the sketch index: ") for line in said), said
    assert sorted(each for each in tmp_path.rglob("*") if each.name != "lock") == before
