"""Modules that are named in strings exist, and the import contracts allow their import.

import-linter reads import statements only. Modules are also named in Celery's list of task modules,
in ``module:attribute`` strings such as the table of commands, and in ``python -m`` commands.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
    "importlinter"
]
PACKAGES: list[str] = LINTER["root_packages"]
NAME = rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+"
REFERENCE = re.compile(rf"{NAME}:\w+")
MODULE = re.compile(NAME)

EXCEPTIONS = {("cli.main", "bench.command"), ("cli.main", "bench.identification.command")}
"""The `acoustid` command runs the bench in a checkout. The installed package has no bench."""

IMPORTERS = {"cli.main", "cli.stack.processes.preloading"}
"""Modules that may call `import_module`."""

Named = tuple[str, str]
"""The module with the string, and the module or ``module:attribute`` in it."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the name and the syntax tree of each module of the project."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text())


def text_of(node: ast.expr, tree: ast.Module) -> str | None:
    """Return the value of a string literal, or of a constant of the module that is a string."""
    if isinstance(node, ast.Name):
        for each in tree.body:
            target = each.target if isinstance(each, ast.AnnAssign) else None
            targets = each.targets if isinstance(each, ast.Assign) else [target]
            if any(isinstance(one, ast.Name) and one.id == node.id for one in targets):
                return text_of(each.value, tree)  # type: ignore[union-attr,arg-type]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def modules_run_by(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of ``python -m`` commands."""
    for node in ast.walk(tree):
        words = node.elts if isinstance(node, ast.List | ast.Tuple) else []
        for option, module in pairwise(words):
            if text_of(option, tree) == "-m" and (name := text_of(module, tree)):
                yield name


def strings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def find_named() -> list[Named]:
    """Return all references of the project's modules to its modules in strings."""
    found = set()
    for name, tree in sources():
        found |= {(name, text) for text in strings(tree) if REFERENCE.fullmatch(text)}
        found |= {(name, text) for text in modules_run_by(tree) if MODULE.fullmatch(text)}
        if name in {"pipeline", "tasks.celery"}:
            found |= {(name, text) for text in strings(tree) if MODULE.fullmatch(text)}
        if name in {"cli.stack.roles", "cli.stack.processes.preloading"}:
            found |= {(name, text) for text in strings(tree) if MODULE.fullmatch(text)}
    return sorted(found)


NAMED = find_named()


def level(module: str, layers: list[str], container: str = "") -> tuple[int, str] | None:
    """Return the layer of a module (0 is the highest) and its package in it."""
    for number, layer in enumerate(layers):
        for package in (container + each.strip() for each in layer.split("|")):
            if f"{module}.".startswith(f"{package}."):
                return number, package
    return None


def is_allowed(source: str, target: str) -> bool:
    """Return whether the contracts of import-linter allow an import."""
    for contract in LINTER["contracts"]:
        if contract["type"] == "forbidden":
            source_in, target_in = (
                any(f"{module}.".startswith(f"{each}.") for each in contract[key])
                for module, key in ((source, "source_modules"), (target, "forbidden_modules"))
            )
            if source_in and target_in:
                return False
        else:
            for container in contract.get("containers", [""]):
                prefix = f"{container}." if container else ""
                upper = level(source, contract["layers"], prefix)
                lower = level(target, contract["layers"], prefix)
                if upper and lower and upper != lower and upper[0] >= lower[0]:
                    return False
    return True


def test_the_known_references_are_found() -> None:
    assert {
        ("tasks.celery", "tasks.lookups.lookup"),
        ("tasks.lookups.lookup_task", "tasks.fast_path.batch_task:UnacknowledgedRequest"),
        ("cli.main", "cli.commands.service.up:up"),
        ("cli.stack.stack", "cli.main"),
        ("cli.stack.roles", "cli.main"),
        ("cli.stack.processes.preloading", "pipeline.warm_up"),
    } <= set(NAMED)


@pytest.mark.parametrize(("source", "target"), NAMED)
def test_the_named_module_exists(source: str, target: str) -> None:
    module, _, attribute = target.partition(":")
    assert find_spec(module), f"{source} names {module}"
    assert not attribute or resolve_name(target)


@pytest.mark.parametrize(("source", "target"), NAMED)
def test_the_named_module_may_be_imported(source: str, target: str) -> None:
    module = target.partition(":")[0]
    assert is_allowed(source, module) or (source, module) in EXCEPTIONS


@pytest.mark.parametrize("exception", sorted(EXCEPTIONS))
def test_every_exception_is_used(exception: Named) -> None:
    source, module = exception
    assert not is_allowed(source, module)
    assert any(each == source and target.startswith(module) for each, target in NAMED)


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        ("cli.main", "tasks.celery", True),
        ("tasks.celery", "cli.main", False),
        ("api.app", "index_server.server", False),
        ("pipeline.index.writer", "pipeline.lookups.score", False),
        ("http_server.protocol", "api.app", False),
    ],
)
def test_directions_are_those_of_import_linter(source: str, target: str, allowed: bool) -> None:
    assert is_allowed(source, target) == allowed


def test_modules_are_imported_by_name_in_known_places_only() -> None:
    callers = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr)
        in {"import_module", "__import__", "symbol_by_name", "resolve_name"}
    }
    assert callers == IMPORTERS


def test_the_commands_of_project_files_name_existing_modules() -> None:
    texts = [(ROOT / name).read_text() for name in ("Makefile", "Dockerfile", "docker-compose.yml")]
    modules = [each for text in texts for each in re.findall(rf"-m ({NAME})", text)]
    assert "pipeline.warm_up" in modules
    assert all(map(find_spec, modules))


def test_the_installed_command_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(map(resolve_name, project["scripts"].values()))
