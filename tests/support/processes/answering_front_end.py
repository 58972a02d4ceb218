"""A front end with a minimal worker that answers its lookups, as a process.

Arguments: an address and a port. The settings are those of ``ACOUSTID_CONFIG`` and the environment.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.settings.sections import Settings
from tests.support.polling import eventually
from tests.support.processes.workers import write_config


@contextmanager
def answering_front_end(
    settings: Settings,
    folder: Path,
    options: Mapping[str, str],
    *,
    host: str = LOOPBACK,
    within: Sequence[str] = (),
) -> Iterator[str]:
    """Run the process; yield its address.

    Args:
        settings: settings of the servers.
        folder: the folder for its configuration and its log.
        options: further variables of the environment.
        host: the address that it listens on.
        within: a command that runs it, such as in another network namespace.
    """
    import requests  # noqa: PLC0415 - the process itself sends no requests

    environ = {
        **os.environ,
        "ACOUSTID_CONFIG": str(write_config(settings, folder / "acoustid.conf")),
        **options,
    }
    port = free_port()
    with (folder / "api.log").open("ab") as log:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", __name__, host, str(port)],
            env=environ,
            stdout=log,
            stderr=log,
        )
    address = f"http://{host}:{port}"

    def is_alive() -> bool:
        assert process.poll() is None, (folder / "api.log").read_text()
        try:
            return requests.get(f"{address}/_health_docker", timeout=10).ok
        except requests.ConnectionError:
            return False

    try:
        eventually(is_alive)
        yield address
    finally:
        process.kill()
        process.wait(30)


def _main() -> None:
    from api.front_end import Dispatch, create_front_end  # noqa: PLC0415 - not for the tests
    from api.server import serve  # noqa: PLC0415
    from http_server.listening import listen  # noqa: PLC0415
    from pipeline.runtime.redis_client import connect  # noqa: PLC0415
    from pipeline.settings.load import load_settings  # noqa: PLC0415
    from tests.support.clients.lookup_worker import Answering  # noqa: PLC0415

    settings = load_settings()
    worker = Answering(connect(settings.redis))
    dispatch = Dispatch(worker.send, worker.send, lambda *_: None, lambda _: None)
    front_end = create_front_end(settings, dispatch)
    serve(front_end, listen(sys.argv[1], int(sys.argv[2])), lambda: None)
    front_end.close()


if __name__ == "__main__":
    _main()
