"""Names of options: each variable sets its option, and other names set none."""

import pytest

from pipeline.settings.option_names import Option, resolve_variable, sections


def resolved(variable: str) -> tuple[str, bool] | None:
    """Return the option that a variable sets as text, and whether through a file."""
    found = resolve_variable(variable)
    return (str(found[0]), found[1]) if found else None


@pytest.mark.parametrize(
    ("variable", "option"),
    [
        ("ACOUSTID_DATABASE_NAME", "[database] name"),
        ("ACOUSTID_DATABASE_RO_HOST", "[database_ro] host"),
        ("ACOUSTID_DATABASE_FINGERPRINT_HOST", "[database_fingerprint] host"),
        ("ACOUSTID_DATABASE_FINGERPRINT_RO_HOST", "[database_fingerprint_ro] host"),
        ("ACOUSTID_DATABASE_POOL_PRE_PING", "[database] pool_pre_ping"),
        ("ACOUSTID_FINGERPRINT_INDEX_HOST", "[fingerprint_index] host"),
        ("ACOUSTID_FINGERPRINT_STORE_ENABLED", "[fingerprint_store] enabled"),
        ("ACOUSTID_CLUSTER_NAME", "[cluster] name"),
        ("ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT", "[cluster.rate_limiter] ip_limit"),
        ("ACOUSTID_FEATURES_ASYNC_API", "[features] async_api"),
        ("ACOUSTID_LOGGING_LEVEL", "[logging] level"),
        ("ACOUSTID_LOGGING_LEVEL_SQLALCHEMY", "[logging] level_sqlalchemy"),
    ],
)
def test_the_longest_matching_section_is_used(variable: str, option: str) -> None:
    assert resolved(variable) == (option, False)


@pytest.mark.parametrize(
    ("variable", "option"),
    [
        ("ACOUSTID_DATABASE_PASSWORD_FILE", "[database] password"),
        ("ACOUSTID_DATABASE_INGEST_PASSWORD_FILE", "[database_ingest] password"),
        ("ACOUSTID_DATABASE_INGEST_RO_PASSWORD_FILE", "[database_ingest_ro] password"),
        ("ACOUSTID_REDIS_PASSWORD_FILE", "[redis] password"),
        ("ACOUSTID_SENTRY_DSN_FILE", "[sentry] dsn"),
        ("ACOUSTID_CLUSTER_SECRET_FILE", "[cluster] secret"),
    ],
)
def test_a_secret_can_be_named_by_its_file(variable: str, option: str) -> None:
    assert resolved(variable) == (option, True)


@pytest.mark.parametrize(
    "variable",
    [
        "ACOUSTID_",
        "ACOUSTID_DATABASE",
        "ACOUSTID_DATABASE_",
        "ACOUSTID_DATABASE_HOST_FILE",
        "ACOUSTID_DATABASE_RATE_LIMITER_IP_LIMIT",
        "ACOUSTID_CLUSTER_RATE_LIMITER",
        "ACOUSTID_CLUSTER.RATE_LIMITER_IP_LIMIT",
        "ACOUSTID_IP_LIMIT",
        "ACOUSTID_LOGGING_LEVELX",
        "ACOUSTID_LOGGING_LEVELS",
        "ACOUSTID_LOGGING_LEVEL_",
        "ACOUSTID_SOURCES",
        "ACOUSTID_redis_HOST",
        "OTHER_REDIS_HOST",
    ],
)
def test_other_variables_set_no_option(variable: str) -> None:
    assert resolved(variable) is None


def all_options() -> list[Option]:
    """Return the options of every section."""
    return [option for section in sections().values() for option in section.options.values()]


def test_every_option_has_one_variable() -> None:
    for option in all_options():
        assert resolve_variable(option.variable) == (option, False)
    assert len({option.variable for option in all_options()}) == len(all_options())


def test_the_secrets_are_those_that_the_models_hide() -> None:
    assert {str(option) for option in all_options() if option.secret} == {
        "[database] password",
        "[database_ro] password",
        "[database_fingerprint] password",
        "[database_fingerprint_ro] password",
        "[database_ingest] password",
        "[database_ingest_ro] password",
        "[database_musicbrainz] password",
        "[database_musicbrainz_ro] password",
        "[redis] password",
        "[nats] user",
        "[nats] password",
        "[nats] token",
        "[nats] credentials",
        "[cluster] secret",
        "[musicbrainz] replication_token",
        "[flower] password",
        "[sentry] dsn",
    }


def test_two_underscores_in_a_loggers_name_stand_for_a_dot() -> None:
    found = resolve_variable("ACOUSTID_LOGGING_LEVEL_SQLALCHEMY__ENGINE")
    assert found is not None
    assert found[0].location == ("logging", "levels", "sqlalchemy.engine")
