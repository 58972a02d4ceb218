"""The default settings, as `load_settings` returns them."""

from pathlib import Path

from pipeline.settings.sections import Settings


def default_settings(folder: Path | None = None) -> Settings:
    """Return the defaults with absolute paths.

    Args:
        folder: the folder of the paths, by default the working directory.
    """
    made, place = Settings(), folder or Path.cwd()
    index, store = made.fingerprint_index, made.fingerprint_store
    paths = {"path": place / index.path, "sketch_path": place / index.sketch_path}
    return made.model_copy(
        update={
            "fingerprint_index": index.model_copy(update=paths),
            "fingerprint_store": store.model_copy(update={"path": place / store.path}),
        }
    )
