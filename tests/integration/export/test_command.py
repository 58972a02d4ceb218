"""The command `acoustid export`."""

from pathlib import Path

from click.testing import CliRunner, Result

from cli.commands.data.export import export
from cli.main import main
from cli.stack.data_directory import CONFIG_VARIABLE
from pipeline.settings.sections import Settings
from tests.support.catalogue.exports import names
from tests.support.catalogue.imports import Importer
from tests.support.processes.workers import write_config


def invoke(settings: Settings, folder: Path, *arguments: str) -> Result:
    """Run the command beside the servers of the settings."""
    config = write_config(settings, folder / "acoustid.conf")
    return CliRunner().invoke(main, ["export", *arguments], env={CONFIG_VARIABLE: str(config)})


def test_the_command_says_what_it_wrote(
    importer: Importer, settings: Settings, out: Path, tmp_path: Path
) -> None:
    """A refused folder and an unreachable database are errors with an action."""
    assert importer
    assert export.name == "export"
    written = invoke(settings, tmp_path, str(out))
    assert (written.exit_code, written.output) == (0, f"exported to {out}: 8 rows in 8 files\n")
    assert len(names(out)) == 8
    refused = invoke(settings, tmp_path, str(out), "--private")
    assert refused.exit_code == 1
    assert "give another folder for --private" in refused.stderr
    gone = settings.database_fingerprint.model_copy(update={"port": 1})
    lost = settings.model_copy(update={"database_fingerprint": gone})
    failed = invoke(lost, tmp_path, str(out))
    assert failed.exit_code == 1
    assert f"the export to {out} is not complete: PostgreSQL: " in failed.stderr
    assert "give the command again to go on" in failed.stderr
