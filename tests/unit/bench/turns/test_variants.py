"""Variants from the command line, and the folders of their data."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bench.catalogue.content import BenchCatalogue
from bench.stack.checkouts import Checkout
from bench.turns.command import turns
from bench.turns.variants import (
    OTHER,
    THIS,
    Variant,
    comparisons,
    folder_names,
    load_catalogue,
    make_variants,
    read_switches,
)
from cli.errors import StackError
from cli.stack.data_directory import DataDir

ELSEWHERE = Checkout(Path("/elsewhere"), Path("/elsewhere/.venv/bin/python"))
FUSE = "celery.fuse_lookup_stages=false"


def test_a_switch_becomes_environment_variables():
    several = f"{FUSE} celery.lookup_pool=threads"
    assert read_switches(None, None, (FUSE, several)) == {
        FUSE: {"ACOUSTID_CELERY_FUSE_LOOKUP_STAGES": "false"},
        several: {
            "ACOUSTID_CELERY_FUSE_LOOKUP_STAGES": "false",
            "ACOUSTID_CELERY_LOOKUP_POOL": "threads",
        },
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fuse=true", "SECTION.OPTION=VALUE"),
        (" ", "SECTION.OPTION=VALUE"),
        ("celery.no_such_option=1", "NO_SUCH_OPTION"),
        ("celery.fuse_lookup_stages=perhaps", "fuse_lookup_stages"),
    ],
)
def test_an_invalid_switch_is_refused(text, problem):
    with pytest.raises(click.BadParameter, match=problem):
        read_switches(None, None, (text,))


def test_the_defaults_come_first_and_switches_use_this_checkout():
    variants = make_variants(ELSEWHERE, {FUSE: {"ACOUSTID_CELERY_FUSE_LOOKUP_STAGES": "false"}})
    assert [each.name for each in variants] == [THIS, OTHER, FUSE]
    assert [each.checkout for each in variants] == [Checkout.own(), ELSEWHERE, Checkout.own()]
    assert [len(each.settings) for each in variants] == [0, 0, 1]
    assert variants[0].commit == variants[2].commit


def test_other_variants_are_compared_with_this_checkout():
    variants = make_variants(ELSEWHERE, {FUSE: {}})
    assert comparisons(variants) == [(THIS, OTHER), (FUSE, THIS)]
    assert comparisons(make_variants(None, {FUSE: {}})) == [(FUSE, THIS)]


def test_folder_names_contain_the_commit():
    commits = ["1" * 40, "2" * 40, "1" * 40, f"{'1' * 40}-dirty", None]
    variants = [Variant(str(each), ELSEWHERE, each) for each in commits]
    assert folder_names(variants) == [
        "111111111111-1",
        "222222222222-1",
        "111111111111-2",
        "111111111111-dirty-1",
        "unknown-1",
    ]


def test_an_error_quotes_the_log_of_a_failed_load(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such schema\nexit 3\n", encoding="ascii")
    python.chmod(0o700)
    variant = Variant(OTHER, Checkout(tmp_path, python), None)
    with pytest.raises(StackError, match=r"other: loading failed.*\n.*no such schema"):
        load_catalogue(variant, DataDir.at(tmp_path / "data"), BenchCatalogue(60), workers=1)


def test_a_single_variant_is_an_error():
    found = CliRunner().invoke(turns, [])
    assert found.exit_code == 2
    assert "--against or --switch" in found.output
