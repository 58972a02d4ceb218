"""Makes the certificates of a test with the command ``openssl``."""

import subprocess
from pathlib import Path

from tests.support.tls_files import TlsFiles

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
AUTHORITY = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
MEMBER = "basicConstraints=critical,CA:FALSE"
SERVER = "subjectAltName=DNS:localhost"


def make_tls_files(folder: Path, user: str) -> TlsFiles:
    """Make two authorities, and certificates of a server and of a client; each has its key.

    Args:
        folder: the folder of the files.
        user: the common name of the client's certificate.
    """
    _make(folder, "authority", "An authority", *AUTHORITY)
    _make(folder, "other-authority", "Another authority", *AUTHORITY)
    _make(folder, "server", "localhost", MEMBER, SERVER, issuer="authority")
    _make(folder, "client", user, MEMBER, issuer="authority")
    return TlsFiles(folder)


def _make(folder: Path, name: str, subject: str, *extensions: str, issuer: str = "") -> None:
    """Make a certificate and its key, which only its owner can read."""
    signed = ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key") if issuer else ()
    added = [part for extension in extensions for part in ("-addext", extension)]
    made = ("-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    subprocess.run(
        ["openssl", "req", "-x509", *NEW_KEY, "-days", "2", *signed, *added, *made],
        check=True,
        capture_output=True,
        cwd=folder,
    )
