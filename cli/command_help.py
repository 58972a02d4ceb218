"""The help of each command and group, so that ``--help`` imports none of them.

Written by ``python -m tests.support.command_help``; a test compares it with the commands.
"""

# ruff: noqa: E501 - a text is one line

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

COMMAND_HELP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "up": "Run everything until Ctrl-C or `acoustid down`.",
        "down": "Stop a stack after its running tasks have finished.",
        "restart": "Replace all processes but the servers without refusing a request.",
        "status": "Show processes, queues, submissions, index and last errors.",
        "logs": "Print the logs of all roles of a stack, or of each ROLE.",
        "open": "Print the addresses of the API, its documentation and Flower, or one of them.",
        "serve": "Run the web service in this process until Ctrl-C or SIGTERM.",
        "ingest": "Take submissions from NATS JetStream.",
        "maintenance": "Refuse submissions while lookups go on, or show the state.",
        "migrate": "Create and migrate the databases. Create demo keys if they are enabled.",
        "config": "Show and check the configuration.",
        "completion": "Print a script that completes commands and options in bash, zsh or fish.",
        "lookup": "Look up each line of a FILE, or one FINGERPRINT.",
        "identify": "Identify audio FILES by their fingerprints.",
        "submit": "Submit AUDIO files, each line of a FILE, or one FINGERPRINT.",
        "keys": "Create, list, change and rotate API keys.",
        "accounts": "List and delete accounts; make admins.",
        "submissions": "List and retry failed submissions.",
        "tracks": "Show a track; find and merge tracks of the same recording.",
        "edits": "Correct links, texts, fingerprints and tracks; list and undo corrections.\n\nA track is given by its gid or its id. `acoustid tracks show` prints the ids of fingerprints and\ntexts. Each command prints the id of its edit. Lookups show the edit at once.",
        "index": "Manage the inverted index.",
        "store": "Manage the fingerprint store, a copy of all fingerprints.",
        "musicbrainz": "Manage the copy of MusicBrainz, the source of metadata.",
        "sample": "Load the sample catalogue. The workers must run.",
        "import": "Import the data files in DIR: an export, or files of the public service.",
        "export": "Write the catalogue to DIR, one file for each table and day.",
        "backup": "Write a backup of the databases and the configuration.",
        "restore": "Restore a backup of `acoustid backup`, for `acoustid up` on the same directory.",
        "evaluate": "Measure recall, position error and false matches on real recordings.",
        "bench": "Measure this software on this machine. Print the figures as JSON.",
    }
)
"""The help of each command of `acoustid` by its name. Hidden commands are missing."""

SUBCOMMAND_HELP: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ingest": {
            "nats": "Take submissions from NATS JetStream until Ctrl-C or SIGTERM.",
            "dead-letters": "List messages that were refused, and publish them again.",
        },
        "config": {
            "check": "Print the effective settings, or all problems with them.",
            "show": "Print each setting of the stack with the origin of its value. Secrets are masked.",
        },
        "keys": {
            "list": "List applications, or the accounts of users. Keys are masked.",
            "show": "Describe an application or an account. Keys are masked without --reveal.",
            "create": "Create a key and print it as JSON. It is valid at once.",
            "register-client": "Register the built-in keys of CLIENTS; print a line of JSON for each.",
            "disable": "Refuse all keys of an application or account, at once.",
            "enable": "Accept the keys of an application or account again, at once.",
            "limit": "Change or remove the limit of an application. The new limit applies at once.",
            "rotate": "Replace the key of an application or account; print the new key as JSON.",
        },
        "accounts": {
            "list": "List accounts with the number of their imported submissions.",
            "show": "Describe an account. Its key is masked. For a deleted account, give the id.",
            "admin": "Make an account an admin, which may correct the catalogue. This applies at once.",
            "delete": "Remove an account's name, keys, links and addresses. Its submissions stay.",
        },
        "submissions": {
            "failed": "Print failed submissions, newest first, as JSON lines.",
            "requeue": "Retry failed submissions by their IDS, within seconds.",
        },
        "tracks": {
            "show": "Print a track with its fingerprints, links, texts and history.",
            "merge": "Merge each SOURCE into TARGET.",
            "suggest": "List similar tracks that share an MBID, as JSON.",
            "disabled-links": "List links that periodic tasks disabled, newest first, as JSON.",
        },
        "edits": {
            "list": "List edits, newest first, as JSON.",
            "show": "Print an edit with the rows that it changed, as JSON.",
            "undo": "Undo an edit.",
            "unlink-mbid": "Disable the link of a track to an MBID.",
            "link-mbid": "Link a track to an MBID, or enable a disabled link.",
            "remove-fingerprint": "Remove a fingerprint. Its track stays.",
            "remove-text": "Remove a submitted text from a track.",
            "split-track": "Move fingerprints of a track to a new track.",
        },
        "index": {
            "serve": "Serve named indexes over fpindex's HTTP API.",
            "restore": "Create the index NAME from a SNAPSHOT.",
            "rebuild": "Rebuild the index from the fingerprint database.",
            "verify": "Read the whole index and print every damaged file.",
            "stats": "Print the size of the index as JSON.",
        },
        "store": {
            "rebuild": "Rebuild the fingerprint store from the database.",
            "check": "Read the whole store and print every damaged file.",
            "stats": "Print the size of the fingerprint store as JSON.",
        },
        "musicbrainz": {
            "load": "Replace the copy with the dump in PATH.",
            "follow": "Apply the replication packets in SOURCE to the copy, in order.",
            "connect": "Check whether lookups can use a mirror of MusicBrainz.",
        },
        "bench": {
            "lookup": "Measure lookups: rate, latency, batches, and cost by part of the stack.",
            "overload": "Measure lookups above the highest rate: right answers, refusals, latency, recovery.",
            "submit": "Measure submissions: imports per second and their cost.",
            "nats": "Measure submissions by NATS: imports per second and their cost.",
            "import": "Measure imports of data files and of JSON lines, end to end, on a new stack.",
            "round-trip": "Export a catalogue, import it into a new stack, and compare tables and replies.",
            "stages": "Compare lookups with one message per stage with lookups in one worker call.",
            "turns": "Compare this checkout with another one, or settings with the defaults, by lookups.",
            "index": "Measure the index: inserts, merges, cold and warm searches, memory, start time.",
            "index-kills": "Repeatedly kill a process that writes an index, and count losses.",
            "index-check": "Compare an index server with brute force, by random operations with kills.",
            "fingerprint": "Measure the fingerprint functions, in µs of CPU per fingerprint or pair.",
            "fingerprint-store": "Compare candidates from database rows with candidates from the store.",
            "lookup-plot": "Draw rates and latencies of REPORTS against connections, one line per report.",
        },
    }
)
"""The help of each command of a group, by the names of the group and the command."""
