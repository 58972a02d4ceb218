"""The default settings, as `load_settings` returns them."""

from pathlib import Path

from pipeline.settings.sections import Settings


def default_settings(folder: Path | None = None) -> Settings:
    """Return the defaults with absolute paths.

    Args:
        folder: the folder of the paths, by default the working directory.
    """
    made = Settings()
    update = {
        section: getattr(made, section).model_copy(
            update={"path": (folder or Path.cwd()) / getattr(made, section).path}
        )
        for section in ("fingerprint_index", "fingerprint_store")
    }
    return made.model_copy(update=update)
