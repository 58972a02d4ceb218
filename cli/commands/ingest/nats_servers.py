"""The check that servers of NATS are configured."""

from typing import TYPE_CHECKING

from cli.errors import StackError

if TYPE_CHECKING:
    from pipeline.settings.sections import NatsSettings


def require_servers(settings: "NatsSettings") -> None:
    """Check that servers of NATS are configured.

    Raises:
        StackError: there are none.
    """
    if not settings.servers:
        raise StackError(
            "no servers of NATS are configured: set [nats] servers, or the variable "
            "ACOUSTID_NATS_SERVERS"
        )
