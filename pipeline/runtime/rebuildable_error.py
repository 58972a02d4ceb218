"""The base of errors whose constructor takes more than a text, so that they can be rebuilt.

Pickle and Celery rebuild an error as ``type(error)(*error.args)``. If `args` are not the arguments
of the constructor, that fails, and the receiver gets another type of error.
"""

from __future__ import annotations

import inspect
from pathlib import PurePath
from typing import Any


class RebuildableError(Exception):
    """An error with the arguments of its constructor as `args`; a path is kept as text.

    A derived class does not call ``Exception.__init__``, which would replace `args`. Its text is
    what `__str__` returns. Its arguments are values that MessagePack can encode, or paths.
    """

    def __new__(cls, *args: Any, **options: Any) -> RebuildableError:  # noqa: ANN401 - any error's arguments
        """Create the error and store its arguments, those by name and the defaults included."""
        error = super().__new__(cls, *args)
        if options:
            bound = inspect.signature(cls.__init__).bind(error, *args, **options)
            bound.apply_defaults()
            args = bound.args[1:]
        error.args = tuple(str(each) if isinstance(each, PurePath) else each for each in args)
        return error
