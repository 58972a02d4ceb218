"""The Compose files, without a YAML parser: the dependencies have none.

So each command and each health check of a file is one line of JSON.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
TLS = (ROOT / "docker-compose.tls.yml").read_text()


def services(text: str = COMPOSE) -> dict[str, str]:
    """Return the text of each service by its name."""
    body = re.split(r"^(?=[a-z])", text.split("\nservices:\n", 1)[1], flags=re.MULTILINE)[0]
    parts = re.split(r"^  ([\w-]+):\n", body, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def options(service: str, text: str = COMPOSE) -> dict[str, str]:
    """Return the text of each option of a service, including those of merged anchors."""
    return _merged(services(text)[service], 4, text)


def _merged(block: str, indent: int, text: str) -> dict[str, str]:
    parts = re.split(rf"^ {{{indent}}}([\w<-]+):", block, flags=re.MULTILINE)[1:]
    own = dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
    merged: dict[str, str] = {}
    for name in re.findall(r"\*([\w-]+)", own.pop("<<", "")):
        found = re.search(rf"^x-[\w-]+: &{name}\n((?:  .*\n|\n)*)", text, flags=re.MULTILINE)
        assert found
        merged |= _merged(found.group(1), 2, text)
    return merged | own


def words(service: str, option: str) -> set[str]:
    """Return the items of a list in one line."""
    return set(re.findall(r"[\w-]+", options(service)[option].split("\n")[0]))


def environment(service: str) -> dict[str, str]:
    """Return the variables of a service."""
    found = options(service)["environment"]
    block = f"  {found}\n"
    if found.startswith(("*", "{")):
        block = f"  <<: {found}\n"
    return _merged(re.sub(r"^ +", "  ", block, flags=re.MULTILINE), 2, COMPOSE)


def command(service: str) -> list[str]:
    found = re.search(r"^    command: (\[.*\])$", services()[service], flags=re.MULTILINE)
    assert found
    arguments: list[str] = json.loads(found.group(1))
    return arguments


def volumes(service: str) -> set[str]:
    """Return the named volumes of a service."""
    text = options(service).get("volumes", "")
    if text.startswith("*"):
        found = re.search(rf"^    volumes: &{text[1:]}\n((?:      - .*\n)+)", COMPOSE, re.MULTILINE)
        assert found
        text = found.group(1)
    return set(re.findall(r"([\w-]+):/", text))


def environment_or_nothing(service: str) -> dict[str, str]:
    return environment(service) if "environment" in options(service) else {}
