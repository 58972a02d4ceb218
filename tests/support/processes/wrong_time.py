"""A wrong clock in one module of this process.

`time.time` itself is not replaced: a library that is first imported meanwhile would keep it.
"""

import time
from types import ModuleType, SimpleNamespace

import pytest


def set_clock_ahead(monkeypatch: pytest.MonkeyPatch, module: ModuleType, seconds: float) -> None:
    """Set the clock that a module reads by `time.time` ahead of the right time."""
    own = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=time.monotonic)
    monkeypatch.setattr(module, "time", own)
