"""Options of the command line."""

import click
import pytest

from bench.options import NumberList, read_settings_options


def test_settings_become_environment_variables():
    given = ("celery.fuse_lookup_stages=true", "cluster.rate_limiter.ip_limit=0", "sentry.dsn=a=b")
    assert read_settings_options(None, None, given) == {
        "ACOUSTID_CELERY_FUSE_LOOKUP_STAGES": "true",
        "ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT": "0",
        "ACOUSTID_SENTRY_DSN": "a=b",
    }
    with pytest.raises(click.BadParameter, match="SECTION"):
        read_settings_options(None, None, ("fuse=true",))


def test_numbers_are_separated_by_commas():
    assert NumberList(1).convert("1,4,32", None, None) == (1, 4, 32)
    for wrong in ("1,,2", "one", "0"):
        with pytest.raises(click.BadParameter):
            NumberList(1).convert(wrong, None, None)
