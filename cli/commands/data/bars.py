"""Progress bars of the parts of a command, one after the other."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


class Bars:
    """Shows one progress bar at a time, with rate and time left. A context manager."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def begin(self, noun: str, total: int, unit: str) -> Callable[[int], object]:
        """Begin the bar of the next part; return a function that is called with each bit of it.

        Args:
            noun: what is done.
            total: the amount of work.
            unit: ``B`` for bytes, or a noun in the plural.
        """
        self._close()
        is_bytes = unit == "B"
        self._bar = tqdm(
            desc=noun,
            total=total,
            unit=unit if is_bytes else f" {unit}",
            unit_scale=is_bytes,
            disable=None,
        )
        return self._bar.update

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
