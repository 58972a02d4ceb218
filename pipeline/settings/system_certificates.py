"""Finds the file of the certificates that the operating system trusts.

libpq has the value ``system`` for ``sslrootcert``. The OpenSSL in the wheels of psycopg2 does not
find these certificates, so libpq gets the path of their file.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS
)


def system_certificates() -> Path | None:
    """Return the file in ``SSL_CERT_FILE``, else that of Python or of the system, else None."""
    return next((path for path in _candidates() if path.is_file()), None)


def _candidates() -> Iterator[Path]:
    of_python = ssl.get_default_verify_paths().cafile
    if of_python:
        yield Path(of_python)
    yield from map(Path, BUNDLES)
