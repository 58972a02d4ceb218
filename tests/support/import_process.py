"""Runs the import of data files in a process of its own, which tests kill."""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from cli.commands.data.catalogues import batch as catalogue_batch
from cli.commands.data.catalogues.run import CatalogueOptions, import_catalogue
from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.reading import read_ahead
from pipeline.bulk_import.files.run import import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


class _Silent:
    """Shows nothing."""

    def begin(self, noun: str, total: int, unit: str) -> Callable[[int], object]:
        """Begin a part."""
        del noun, total, unit
        return id


def start_import(settings: Settings, folder: Path, batch: int) -> BaseProcess:
    """Start an import in another process.

    Args:
        settings: the settings of the servers.
        folder: the files.
        batch: number of lines of a batch.
    """
    return _started(_run, settings, folder, batch)


def start_catalogue_import(settings: Settings, file: Path, batch: int) -> BaseProcess:
    """Start an import of JSON lines of another catalogue in another process.

    Args:
        settings: the settings of the servers.
        file: the file.
        batch: number of submissions of a batch.
    """
    return _started(_run_catalogue, settings, file, batch)


def _started(
    run: Callable[[Settings, Path, int], None], settings: Settings, path: Path, batch: int
) -> BaseProcess:
    process = get_context("spawn").Process(target=run, args=(settings, path, batch))
    process.start()
    return process


def _run_catalogue(settings: Settings, file: Path, batch: int) -> None:
    catalogue_batch.MAX_RECEIPTS = batch  # type: ignore[misc]
    import_catalogue("jsonl", file, settings, CatalogueOptions())


def _run(settings: Settings, folder: Path, batch: int) -> None:
    read_ahead.MOST_LINES = batch  # type: ignore[misc]
    databases = Databases(settings, component="tests")
    with Rejects("stop", None, print) as rejects:
        import_files(settings, databases, find_files(folder), rejects, _Silent())
    databases.dispose()
