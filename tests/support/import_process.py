"""Runs the import of data files in a process of its own, which tests kill."""

import os
import sys
from pathlib import Path

from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.runtime.databases import Databases
from pipeline.settings.load import load_settings


class _Silent:
    def begin(self, noun: str, total: int, unit: str):  # type: ignore[no-untyped-def]  # noqa: ARG002
        return lambda _: None


def main() -> None:
    """Import the folder of the first argument with the settings of the environment."""
    settings = load_settings(os.environ)
    databases = Databases(settings, component="tests")
    with Rejects("stop", None, print) as rejects:
        import_files(settings, databases, find_files(Path(sys.argv[1])), rejects, _Silent())
    databases.dispose()


if __name__ == "__main__":
    main()
