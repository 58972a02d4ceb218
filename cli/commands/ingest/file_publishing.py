"""Publishes the lines of a file as messages, for ``acoustid ingest nats --from-file``."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nats.errors import Error as NatsError

from cli.commands.client.messages import counted, print_result, progress_bar, tell_refused
from cli.commands.ingest.file_messages import file_messages
from cli.errors import StackError
from cli.stack.demo_keys import Prepared
from cli.stack.selection import ChosenStack
from nats_bridge import headers
from nats_bridge.bulk_publishing import Message, NotStoredError, PublishCounts, publish_all
from nats_bridge.link.connection import connect_once
from nats_bridge.link.link_errors import LinkError, explain_link
from nats_bridge.streams.preparation import SetupError, check_storing, prepare
from pipeline.settings.sections import Settings

CONNECTED_IN: Final = 10.0
"""Seconds for the connection."""

NO_KEYS: Final = (
    "no keys: give them with --client and --user; `acoustid keys create` makes new ones"
)


def keys_of(stack: ChosenStack, application: str | None, user: str | None) -> tuple[str, str]:
    """Return the given keys of the application and of the user, else the demo keys of the stack.

    Raises:
        StackError: one was not given, and the stack has no demo keys.
    """
    demo = Prepared.load(stack.data.prepared).demo if stack.data else None
    application = application or (demo.client if demo else None)
    user = user or (demo.user if demo else None)
    if application is None or user is None:
        raise StackError(NO_KEYS)
    return application, user


def publish_file(settings: Settings, source: Path | None, keys: tuple[str, str]) -> PublishCounts:
    """Publish the lines of a file, and print their numbers. Name each refused line.

    Args:
        settings: the settings; stream and consumer are made if they are absent.
        source: the file; None is standard input.
        keys: the key of the application and that of the user.

    Raises:
        StackError: the file has no JSON objects, or NATS does not store the messages.
    """
    counts = PublishCounts()
    with progress_bar("messages") as bar:

        def refuse(name: str, reason: str) -> None:
            counts.refused += 1
            tell_refused(name, reason)

        def shown() -> Iterator[Message]:
            for message in file_messages(source, keys, refuse):
                yield message
                bar.update()

        try:
            asyncio.run(_publish(settings, shown(), keys, counts, refuse))
        except (LinkError, SetupError) as error:
            raise StackError(str(error)) from error
        except NatsError as error:
            raise StackError(f"NATS: {explain_link(error)}") from error
        except NotStoredError as error:
            raise StackError(
                f"{counted(counts.stored, 'messages')} published, and then NATS stored no more: "
                f"{error}. Run the command again: no line is imported twice"
            ) from error
    known = f", {counts.known} were published before" if counts.known else ""
    refused = f", {counts.refused} refused" if counts.refused else ""
    print_result(f"{counted(counts.stored, 'messages')} published{known}{refused}")
    return counts


async def _publish(
    settings: Settings,
    messages: Iterator[Message],
    keys: tuple[str, str],
    counts: PublishCounts,
    refuse: Callable[[str, str], None],
) -> None:
    client = await connect_once(settings.nats, name="acoustid ingest nats", seconds=CONNECTED_IN)
    try:
        application, user = keys
        sent = {headers.CLIENT: application, headers.USER: user}
        subject = settings.nats.submission_subject
        await prepare(client.jetstream(), settings.nats)
        await check_storing(client.jetstream(), settings.nats.stream, subject)
        await publish_all(client, subject, messages, sent, counts, refuse)
    finally:
        await client.close()
