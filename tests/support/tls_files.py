"""Certificates and keys for tests; `tests/data/tls` has them.

There are two authorities. The first one signed the certificate of a server, for ``localhost``, and
that of a client, ``acoustid``. They are valid from 2020 to 2120.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "tls"


@dataclass(frozen=True)
class TlsFiles:
    """The files of TLS in one folder.

    Attributes:
        folder: the folder.
    """

    folder: Path

    @classmethod
    def copied_to(cls, folder: Path) -> "TlsFiles":
        """Copy the files, since Git does not keep the modes of keys."""
        for path in DATA.iterdir():
            copy = Path(shutil.copy(path, folder))
            copy.chmod(0o600 if path.suffix == ".key" else 0o644)
        return cls(folder)

    @property
    def authority(self) -> Path:
        """The authority that signed the certificates of server and client."""
        return self.folder / "authority.crt"

    @property
    def other_authority(self) -> Path:
        """An authority that signed neither."""
        return self.folder / "other-authority.crt"

    @property
    def server(self) -> tuple[Path, Path]:
        """Certificate and key of the server."""
        return self.folder / "server.crt", self.folder / "server.key"

    @property
    def client(self) -> tuple[Path, Path]:
        """Certificate and key of the client."""
        return self.folder / "client.crt", self.folder / "client.key"
