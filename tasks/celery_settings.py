"""The settings of Celery, which are in ``celeryconfig.py``."""


class CelerySettings:
    """Imports ``celeryconfig`` when Celery reads the first setting.

    Celery itself would prefer a module of this name in the working directory, which may be the
    directory of another project.
    """

    def __getattr__(self, name: str) -> object:
        return getattr(_module(), name)

    def __dir__(self) -> list[str]:
        return dir(_module())


def _module() -> object:
    import celeryconfig  # noqa: PLC0415 - it reads the settings

    return celeryconfig
