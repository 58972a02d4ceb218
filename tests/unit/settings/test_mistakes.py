"""Mistakes in the configuration: all are reported, each with its variable or option."""

from pathlib import Path

import pytest

from pipeline.settings.load import ConfigError, load_settings


def problems(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None) -> list[str]:
    """Load a file that is wrong and return the problems, without the file's name."""
    path = tmp_path / "some.conf"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ or {})
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    missing = tmp_path / "missing.conf"
    with pytest.raises(ConfigError, match=r"missing\.conf: cannot be read"):
        load_settings(missing, {})
    with pytest.raises(ConfigError, match=r"missing\.conf: cannot be read"):
        load_settings(environ={"ACOUSTID_CONFIG": str(missing)})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[redsi]\nhost = x\n", "unknown section [redsi], did you mean redis?"),
        ("[DEFAULT]\nhost = x\n", "unknown section [DEFAULT]"),
        ("[sources]\nx = y\n", "unknown section [sources]"),
        ("[redis]\nhots = x\n", "unknown option hots in [redis], did you mean host?"),
        ("[cluster]\nrate_limiter = 3\n", "unknown option rate_limiter in [cluster]"),
        ("[logging]\nlevels = x\n", "unknown option levels in [logging], did you mean level?"),
        ("[redis]\nhost = x\nhost = y\n", "line 3: [redis] host is given twice"),
        ("[redis]\n[redis]\n", "line 2: section [redis] is given twice"),
        ("host = x\n", "line 1: an option is not in any [section]"),
        ("[redis]\nnonsense\n", "line 2: is not `option = value`"),
        (
            "[redis]\nhost = x\n  port = 1\n",
            "[redis] host spans several lines: unindent the next line",
        ),
    ],
)
def test_mistakes_in_the_file_are_reported(text: str, problem: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_binary_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "some.conf"
    path.write_bytes(b"[redis]\nhost = \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_settings(path, {})


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("ACOUSTID_REDIS_HOTS", ", did you mean ACOUSTID_REDIS_HOST?"),
        ("ACOUSTID_FINGERPRINT_HOST", ", did you mean ACOUSTID_FINGERPRINT_INDEX_HOST?"),
        ("ACOUSTID_", ""),
    ],
)
def test_an_unknown_variable_is_reported(variable: str, hint: str, tmp_path: Path) -> None:
    assert problems(tmp_path, environ={variable: "1"}) == [f"{variable}: unknown variable{hint}"]


@pytest.mark.parametrize(
    ("section", "option", "value", "message"),
    [
        ("database", "port", "five", "valid integer"),
        ("database", "port", "70000", "less than or equal to 65535"),
        ("database", "pool_size", "0", "greater than or equal to 1"),
        ("database", "name", "", "at least 1 character"),
        ("database", "pool_pre_ping", "perhaps", "valid boolean"),
        ("redis", "host", "", "must be a host name"),
        ("redis", "host", "a b", "must be a host name"),
        ("redis", "db", "-1", "greater than or equal to 0"),
        ("cluster", "role", "slave", "'master' or 'replica'"),
        ("cluster.rate_limiter", "ip_limit", "-1", "greater than or equal to 0"),
        ("cluster.rate_limiter", "ip_limit", "inf", "finite number"),
        ("cluster.rate_limiter", "ip_limit", "nan", "finite number"),
        ("sentry", "traces_sample_rate", "2", "less than or equal to 1"),
        ("logging", "level", "LOUD", "'DEBUG', 'INFO'"),
        ("logging", "level_acoustid", "LOUD", "'DEBUG', 'INFO'"),
        ("logging", "format", "xml", "'text' or 'json'"),
        ("statsd", "prefix", "a b", "letters, digits, dots, _ and -"),
        ("api", "trusted_proxies", "-1", "greater than or equal to 0"),
        ("api", "lookup_timeout", "0", "greater than 0"),
        ("api", "musicbrainz_userinfo_url", "musicbrainz.org/oauth2", "http:// or https://"),
        ("api", "musicbrainz_userinfo_url", "https://u:p@musicbrainz.org/", "without user"),
        ("api", "musicbrainz_userinfo_url", "https://a b/", "http:// or https://"),
        ("api", "musicbrainz_userinfo_url", "https://a:port/", "http:// or https://"),
        ("celery", "lookup_pool", "gevent", "'solo', 'prefork' or 'threads'"),
        ("nats", "servers", "http://a", "nats:// or tls://"),
        ("nats", "servers", "a:x", "host:port"),
        ("nats", "servers", "a;b", "several separated by commas"),
        ("nats", "servers", "nats//a", "several separated by commas"),
        ("nats", "stream", "", "must be 1 to 200 letters"),
        ("nats", "servers", "nats://me:word@a", "own options"),
        ("nats", "subject", "a.*", "without * and >"),
        ("nats", "stream", "a.b", "letters, digits, _ and -, without a dot"),
        ("nats", "max_pending", "0", "greater than or equal to 1"),
        ("nats", "ack_wait", "0", "greater than or equal to 1"),
        ("fingerprint_index", "name", "a/b", "must be 1 to 255 letters, digits"),
        ("fingerprint_index", "replicas", "one, http://two", "host or host:port"),
        ("fingerprint_index", "replicas", "one:0", "host or host:port"),
        ("fingerprint_index", "replicas", "one:x", "host or host:port"),
        ("fingerprint_index", "timeout", "0", "greater than 0"),
        ("fingerprint_index", "connections", "0", "greater than or equal to 1"),
        ("fingerprint_index", "protocol", "tcp", "'local' or 'http'"),
        ("fingerprint_index", "max_postings", "-1", "greater than or equal to 0"),
        ("fingerprint_index", "max_postings", "2147483648", "less than or equal to"),
        ("fingerprint_store", "enabled", "perhaps", "valid boolean"),
        ("fingerprint_store", "path", "", "path of a directory"),
        ("database", "sslmode", "on", "'disable', 'allow', 'prefer'"),
        ("redis", "ssl_cert_reqs", "optional", "'required' or 'none'"),
    ],
)
def test_a_bad_value_is_reported_under_its_name(
    section: str, option: str, value: str, message: str, tmp_path: Path
) -> None:
    in_file = problems(tmp_path, f"[{section}]\n{option} = {value}\n")
    assert len(in_file) == 1
    assert in_file[0].startswith(f"[{section}] {option}: ")
    assert message in in_file[0]

    variable = f"ACOUSTID_{section.replace('.', '_')}_{option}".upper()
    in_environment = problems(tmp_path, environ={variable: value})
    assert len(in_environment) == 1
    assert in_environment[0].startswith(f"{variable}: ")
    assert message in in_environment[0]


def test_a_limit_on_postings_is_refused_for_an_index_server(tmp_path: Path) -> None:
    server = "[fingerprint_index]\nprotocol = http\n"
    [problem] = problems(tmp_path, f"{server}max_postings = 500\n")
    assert problem.startswith("[fingerprint_index] max_postings: works with protocol = local only")
    path = tmp_path / "some.conf"
    path.write_text(f"{server}max_postings = 0\n")
    assert load_settings(path, {}).fingerprint_index.max_postings == 0
    path.write_text("[fingerprint_index]\nmax_postings = 500\n")
    assert load_settings(path, {}).fingerprint_index.max_postings == 500


def test_a_bad_value_that_is_no_secret_is_quoted(tmp_path: Path) -> None:
    assert problems(tmp_path, "[redis]\nport = six\n")[0].endswith("(it is 'six')")


def test_a_replaced_value_is_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "some.conf"
    path.write_text("[redis]\nport = six\n")
    assert load_settings(path, {"ACOUSTID_REDIS_PORT": "6"}).redis.port == 6


def test_an_inherited_mistake_is_reported_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "[database]\nport = six\n")) == 1


def test_all_mistakes_come_in_one_message(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "[wrong]\n[redis]\nport = six\nwrong = 1\npassword_file = /nowhere\n",
        {"ACOUSTID_WRONG": "1", "ACOUSTID_DATABASE_PORT": "x"},
    )
    assert len(found) == 6


def test_the_message_lists_one_problem_a_line() -> None:
    assert str(ConfigError(["a: b", "c: d", "a: b"])) == (
        "the configuration cannot be used:\n  a: b\n  c: d"
    )
