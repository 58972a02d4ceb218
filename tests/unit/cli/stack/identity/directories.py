"""Data directories for tests: started ones, copies, and moved ones."""

import shutil
from pathlib import Path

from cli.stack.data_directory import DataDir
from cli.stack.identity.claim import claim_directory
from cli.stack.stack_record import StackRecord


def started(path: Path) -> DataDir:
    """Return a data directory on which a stack was started, with the files of a stopped one."""
    data = DataDir.at(path)
    data.create()
    claim(data)
    StackRecord.load(data).with_ports(postgres=5001, valkey=5002).save(data)
    data.config.write_text(f"[fingerprint_index]\npath = {data.index}\n")
    (data.root / "postgres").mkdir()
    return data


def of_earlier_version(path: Path) -> DataDir:
    """Return a started data directory whose record names no directory."""
    data = started(path)
    record = StackRecord.load(data)
    StackRecord(
        record.token,
        record.postgres_password,
        record.valkey_password,
        record.cluster_secret,
        record.flower_password,
        record.postgres_port,
        record.valkey_port,
    ).save(data)
    return data


def copy(data: DataDir, path: Path) -> DataDir:
    """Copy a data directory as ``cp -a`` does."""
    shutil.copytree(data.root, path, symlinks=True)
    return DataDir.at(path)


def move(data: DataDir, path: Path) -> DataDir:
    """Move a data directory within its file system."""
    return DataDir.at(data.root.rename(path))


def claim(data: DataDir, *, adopt: bool = False) -> list[str]:
    """Claim a data directory; return the reported lines."""
    lines: list[str] = []
    claim_directory(data, lines.append, adopt=adopt)
    return lines
