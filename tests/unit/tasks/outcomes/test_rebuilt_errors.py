"""Every error of the project survives pickle and the encoding in which Celery stores results."""

import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery.utils.serialization import get_pickleable_exception

import api
import cli
import http_server
import index_server
import pipeline
import tasks
from api.http import errors as api_errors
from cli.commands.client.http_client import RefusedError
from cli.errors import Interrupted
from pipeline.bulk_import.files.loading.staging import ConflictError
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint_store.errors import StoreCorrupt, StoreLocked
from pipeline.index.changelog_state import ChangelogState
from pipeline.index.errors import IndexCorrupt, IndexLocked, StalePosition, StateRefused
from pipeline.index_http.protocol import ServerStateRefused
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import IndexUnusable
from pipeline.lookups.trusted_sketch import SketchUnusable
from pipeline.settings.load import ConfigError
from pipeline.storage.errors import StorageCorrupt, StorageLocked
from tasks.application import app

PACKAGES = (api, cli, http_server, index_server, pipeline, tasks)
STATE = ChangelogState(7, (7, 1_700_000_000_000_000), 9, 12)
FILE = Path("/srv/index/00000001.seg")

Error = type[BaseException]

ARGUMENTS: dict[Error, tuple[Any, ...]] = {
    Interrupted: (),
    RefusedError: ("http://127.0.0.1", 400, 3, "invalid fingerprint"),
    InvalidFingerprint: (Reason.TRUNCATED, "the fingerprint ends after 12 of 90 words"),
    StorageLocked: (FILE.parent,),
    StoreLocked: (FILE.parent,),
    IndexLocked: (FILE.parent,),
    StorageCorrupt: (FILE, "is truncated"),
    StoreCorrupt: (FILE, "is truncated", "restore it"),
    IndexCorrupt: (FILE, "has 0 bytes, but 64 in the manifest"),
    StalePosition: (3, 5),
    StateRefused: (STATE,),
    ServerStateRefused: ("127.0.0.1:6081: its index is not accepted", STATE),
    IndexUnusable: (Condition.DAMAGED,),
    SketchUnusable: (Condition.FILLING,),
    ConfigError: (["[redis] prot: unknown", "[api] port: not a number"],),
    ConflictError: (5, "fingerprint 3 is another one here"),
    api_errors.ApiError: ("internal error", {"Retry-After": "3"}),
    api_errors.InternalError: (),
    api_errors.InvalidMusicbrainzTokenError: (),
    api_errors.InsecureRequestError: (),
    api_errors.UnknownApplicationError: (),
    api_errors.ServiceUnavailableError: (5, "the index is filled"),
    api_errors.TooManyRequestsError: (3.0, 2),
    api_errors.InvalidFingerprintError: ("fingerprint.0", "it is empty"),
    api_errors.InvalidValueError: ("limit", "must be a number"),
}
"""The arguments of the classes that take others than one text."""


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith("pipeline.catalog.migrations"):  # only Alembic loads these
            yield importlib.import_module(found.name)


def _classes() -> list[Error]:
    found = {
        value
        for package in PACKAGES
        for module in _modules(package)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__ == module.__name__
    }
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))


CLASSES = _classes()


def _is_equal(error: BaseException, other: BaseException) -> bool:
    return (type(error), error.args, str(error)) == (type(other), other.args, str(other))


def _instance(kind: Error) -> BaseException:
    return kind(*ARGUMENTS.get(kind, ("the reason, and what to change",)))


def test_all_classes_are_found() -> None:
    assert len(CLASSES) > 100
    assert set(ARGUMENTS) <= set(CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_an_error_survives_pickle_and_the_encodings_of_celery(kind: Error) -> None:
    error = _instance(kind)
    assert str(error)
    assert _is_equal(pickle.loads(pickle.dumps(error)), error)  # noqa: S301 - our own bytes
    assert get_pickleable_exception(error) is error
    for serializer in ("msgpack", "json"):
        backend = type(app.backend)(app=app, serializer=serializer, url="redis://")
        stored = backend.decode(backend.encode(backend.prepare_exception(error)))
        assert _is_equal(backend.exception_to_python(stored), error)


def test_arguments_by_name_survive_too() -> None:
    error = api_errors.ServiceUnavailableError(hint="no worker replies")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert _is_equal(copy, error)
    assert copy.headers == {"Retry-After": "1"}


def test_the_attributes_of_a_rebuilt_error_have_their_types() -> None:
    for error in (_instance(IndexCorrupt), _instance(StateRefused), _instance(IndexUnusable)):
        rebuilt = type(error)(*error.args)
        assert vars(rebuilt) == vars(error)
    assert _instance(StateRefused).state == STATE  # type: ignore[attr-defined]
