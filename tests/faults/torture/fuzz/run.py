"""The long form of the fuzzers: ``make torture ARGS="fuzz --cases 1000000"``."""

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from tests.faults.torture.fuzz.configuration import fuzz_configuration
from tests.faults.torture.fuzz.decoder import fuzz_decoder
from tests.faults.torture.fuzz.http_requests import (
    INDEX_SERVER,
    WEB_SERVICE,
    Server,
    fuzz_http_requests,
)
from tests.faults.torture.fuzz.packed_bodies import fuzz_packed_bodies
from tests.support.processes.index_server import running_index_server
from tests.support.processes.servers import temporary_folder

Fuzzer = Callable[[int, int], None]
CASES: Final = 1_000_000
SHARES: Final[Mapping[str, int]] = {
    "decoder": 1,
    "packed bodies": 10,
    "configuration": 500,
    "index server": 200,
    "web service": 200,
}
"""The number of cases of the decoder for one case of each fuzzer."""


def main(arguments: Sequence[str]) -> int:
    """Run all fuzzers; return the exit status."""
    parser = argparse.ArgumentParser(prog='make torture ARGS="fuzz"')
    parser.add_argument("--seed", type=int, help="seed [default: a new one, printed]")
    parser.add_argument("--cases", type=int, default=CASES, help="cases of the decoder [10^6]")
    parser.add_argument("--only", help="only the fuzzers with this text in their name")
    parser.add_argument("--url", help="address of a web service for raw requests")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(CASES) if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}\n")
    failed = False
    for name, fuzzer in _fuzzers(options.url).items():
        if options.only and options.only not in name:
            continue
        begun = time.monotonic()
        cases = max(1, options.cases // SHARES[name])
        try:
            fuzzer(seed, cases)
            outcome = "good"
        except AssertionError as error:
            outcome, failed = f"FAILED: {error}", True
        sys.stdout.write(f"{name}: {cases} cases, {time.monotonic() - begun:.0f} s: {outcome}\n")
        sys.stdout.flush()
    return int(failed)


def _fuzzers(url: str | None) -> dict[str, Fuzzer]:
    found: dict[str, Fuzzer] = {
        "decoder": fuzz_decoder,
        "packed bodies": fuzz_packed_bodies,
        "configuration": fuzz_configuration,
        "index server": _fuzz_index_server,
    }
    if url:
        address = urlsplit(url)
        port = address.port or 80
        service = Server(address.hostname or "", port, WEB_SERVICE, "/_health_docker")
        found["web service"] = partial(fuzz_http_requests, service)
    return found


def _fuzz_index_server(seed: int, cases: int) -> None:
    with temporary_folder() as folder, running_index_server(folder) as running:
        server = Server("127.0.0.1", running.port, INDEX_SERVER, "/_health")
        fuzz_http_requests(server, seed, cases)
