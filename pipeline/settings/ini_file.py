"""Reads INI files as they are written: no interpolation, no section with defaults."""

import configparser
from pathlib import Path


def ini_parser() -> configparser.ConfigParser:
    """Return an empty parser."""
    return configparser.ConfigParser(interpolation=None, default_section="\0")


def read_ini(path: Path) -> configparser.ConfigParser:
    """Read a file.

    Raises:
        OSError: it is missing or cannot be read.
        UnicodeDecodeError: it is not UTF-8 text.
        configparser.Error: it is not an INI file.
    """
    parser = ini_parser()
    with path.open(encoding="utf-8") as lines:
        parser.read_file(lines)
    return parser
