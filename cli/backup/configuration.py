"""The configuration in a backup: what the operator has set, and the secrets that outlive a stack.

Addresses, ports and passwords of embedded servers are not in it: each stack has its own.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.backup.manifest import CONFIGURATION, STACK
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import (
    REDIS,
    Sections,
    add_environment,
    embedded_sections,
    read_sections,
)
from cli.stack.selection import ChosenStack
from cli.stack.stack_record import DATABASES, StackRecord
from pipeline.settings.ini_file import ini_parser
from pipeline.settings.load import configuration_file
from pipeline.settings.option_names import resolve_option, sections

_SECRETS: Final = ("cluster_secret", "flower_password")
"""The fields of `StackRecord` that clients and operators know."""

_SERVERS: Final = (*DATABASES, REDIS)

_HEADING: Final = """\
# The options that the operator had set, at the time of a backup.
# It contains secrets. `ACOUSTID_CONFIG=<this file> acoustid up` uses them.

"""


@dataclass(frozen=True, slots=True)
class SavedConfiguration:
    """The configuration of a service, for a backup.

    Attributes:
        members: the contents of the members of the backup, by name.
        outside_files: the paths of the files that it names and that are not in the backup.
    """

    members: Mapping[str, bytes] = field(repr=False)
    outside_files: tuple[str, ...]


def saved_configuration(chosen: ChosenStack) -> SavedConfiguration:
    """Return the configuration of a service.

    Args:
        chosen: the service, whose settings are valid.

    Raises:
        StackError: the file of a stack's secrets is damaged.
    """
    record = StackRecord.read(chosen.data) if chosen.data else None
    if chosen.data and record:
        options = _without_embedded(read_sections(chosen.data.config), chosen.data, record)
    else:
        options = read_sections(chosen.config or configuration_file(chosen.environ))
        add_environment(options, chosen.environ)
    members = {CONFIGURATION: _format(options)}
    if record:
        members[STACK] = json.dumps({name: getattr(record, name) for name in _SECRETS}).encode()
    return SavedConfiguration(members, tuple(sorted(set(_outside_files(options)))))


def _without_embedded(options: Sections, data: DataDir, record: StackRecord) -> Sections:
    """Leave out what `acoustid up` has added to the user's options."""
    added = embedded_sections(data, record, databases=DATABASES, redis=True)
    kept: Sections = {}
    for section, texts in options.items():
        own = added.get(section, {})
        if section in _SERVERS and any(texts.get(each) != own[each] for each in ("host", "port")):
            own = {}
        found = {name: text for name, text in texts.items() if own.get(name) != text}
        if found:
            kept[section] = found
    return kept


def _format(options: Sections) -> bytes:
    parser = ini_parser()
    parser.read_dict(options)
    text = io.StringIO()
    parser.write(text)
    return (_HEADING + text.getvalue()).encode()


def _outside_files(options: Sections) -> Iterator[str]:
    """Yield the paths of existing files that options name."""
    for section, texts in options.items():
        known = sections().get(section)
        for name, text in texts.items():
            found = resolve_option(known, name) if known else None
            is_path = found and (found[1] or (found[0].is_path and text not in found[0].words))
            if is_path and text and Path(text).is_file():
                yield text
