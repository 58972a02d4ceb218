"""Checks which options of ``[nats]`` belong together, and the text of the credentials.

Without these checks, a mistake would be an error of each attempt to connect, or messages would be
delivered to the wrong reader.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.settings.sections import NatsSettings, Settings
from pipeline.settings.tls_checks import Options

_MARKS: Final = ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED")
"""Parts of the lines before the JWT and before the seed.

https://docs.nats.io/using-nats/developer/connecting/creds
"""


def nats_problems(settings: Settings) -> Iterator[str]:
    """Yield a line for each mistake in the options of ``[nats]``, with the origin of the option."""
    options = Options("nats", settings)
    yield from _of_login(settings.nats, options)
    yield from _of_subjects(settings.nats, options)


def _of_login(nats: NatsSettings, options: Options) -> Iterator[str]:
    if nats.user is not None and nats.password is None:
        yield options.problem("user", "set password in [nats] too")
    if nats.password is not None and nats.user is None:
        yield options.problem("password", "set user in [nats] too")
    ways = [
        name
        for name, is_given in (
            ("token", nats.token is not None),
            ("credentials", nats.credentials is not None),
            ("user and password", nats.user is not None or nats.password is not None),
        )
        if is_given
    ]
    if len(ways) > 1:
        option = "token" if "token" in ways else "credentials"
        yield options.problem(option, f"[nats] has {' and also '.join(ways)}: keep one of them")
    if nats.credentials is not None and not _is_complete(nats.credentials.get_secret_value()):
        yield options.problem(
            "credentials",
            "must be the text of a credentials file, with the lines of the JWT and of the seed: "
            "set credentials_file, or ACOUSTID_NATS_CREDENTIALS_FILE, to the path of the file",
        )


def _is_complete(credentials: str) -> bool:
    """Return whether each mark is followed by a line with a value."""
    lines = credentials.splitlines()
    for mark in _MARKS:
        place = next((number for number, line in enumerate(lines) if mark in line), None)
        if place is None or place + 1 >= len(lines):
            return False
        value = lines[place + 1].strip()
        if not value or value.startswith("-"):
            return False
    return True


def _of_subjects(nats: NatsSettings, options: Options) -> Iterator[str]:
    subjects = {"dead_letter": nats.dead_letter_subject, "publish_subject": nats.publish_subject}
    for option, subject in subjects.items():
        if subject == nats.submission_subject:
            yield options.problem(
                option,
                f"must differ from the subject of submissions, {nats.submission_subject}: its "
                "messages would be taken as submissions",
            )
    if nats.publish_subject and not nats.servers:
        yield options.problem(
            "publish_subject", "set servers in [nats] too, or this process announces nothing"
        )
    if nats.publish_subject == nats.dead_letter_subject:
        yield options.problem(
            "publish_subject", f"must differ from dead_letter, {nats.dead_letter_subject}"
        )
