"""Clients that have a public application key built in, and the registration of these keys."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.app.accounts import create_application, find_application
from pipeline.catalog.app.tables import application


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client with a built-in key.

    Attributes:
        name: the name of its application on this server.
        key: the key, a constant in the client's sources.
        source: repository and file that contain the key.
    """

    name: str
    key: str
    source: str


KNOWN_CLIENTS: Final = {
    "picard": KnownClient(
        "MusicBrainz Picard", "v8pQ6oyB", "metabrainz/picard picard/const/__init__.py"
    ),
    "beets": KnownClient("beets", "1vOwZtEn", "beetbox/beets beetsplug/chroma.py"),
    "quodlibet": KnownClient(
        "Quod Libet",
        "C6IduH7D",
        "quodlibet/quodlibet quodlibet/ext/songsmenu/fingerprint/acoustid.py",
    ),
    "pyacoustid": KnownClient("pyacoustid examples", "cSpUJKpD", "beetbox/pyacoustid aidmatch.py"),
    "kid3": KnownClient(
        "Kid3", "LxDbFAXo", "KDE/kid3 src/plugins/acoustidimport/musicbrainzclient.cpp"
    ),
    "strawberry": KnownClient(
        "Strawberry",
        "0qjUoxbowg",
        "strawberrymusicplayer/strawberry src/musicbrainz/acoustidclient.cpp",
    ),
    "clementine": KnownClient(
        "Clementine", "qsZGpeLx", "clementine-player/Clementine src/musicbrainz/acoustidclient.cpp"
    ),
}
"""The clients by the names that the command line uses. Each key was read in the named file."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The application of a known client.

    Attributes:
        is_new: whether this call created it.
        active: whether its key is valid.
    """

    id: int
    name: str
    is_new: bool
    active: bool


def register_client(
    connection: sa.Connection, client: KnownClient, *, rate_limit: float | None = None
) -> Registration:
    """Register the key of a client, unless an application has it already; the caller commits.

    An existing application keeps its name, limit and state.

    Args:
        connection: a connection to the ``app`` database.
        client: the client.
        rate_limit: requests per second of a new application, 0 for no limit; None for the limit
            of the settings.
    """
    known = sa.select(application.c.id, application.c.name, application.c.active).where(
        application.c.apikey == client.key
    )
    row = connection.execute(known.with_for_update()).first()
    if row is not None:
        return Registration(row.id, row.name, is_new=False, active=bool(row.active))
    rotated = find_application(connection, client.key)
    if rotated is not None:
        return Registration(rotated.id, rotated.name, is_new=False, active=True)
    made = create_application(connection, client.name, rate_limit=rate_limit, key=client.key)
    return Registration(made.id, made.name, is_new=True, active=True)
