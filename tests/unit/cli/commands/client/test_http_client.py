"""Client commands refuse arguments that no request can contain."""

import pytest
from click.testing import CliRunner

from cli.main import main

LOOKUP = ["lookup", "--duration", "10"]
SUBMIT = ["submit", "--duration", "10", "--user", "u"]
SERVER = ["--server", "http://127.0.0.1:1"]
NOT_UTF8 = "\udcff"  # a byte, as Python decodes arguments


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*LOOKUP, *SERVER, "--client", NOT_UTF8, "AQAA"], "not valid UTF-8"),
        ([*LOOKUP, *SERVER, "--client", "x", "--meta", NOT_UTF8, "AQAA"], "not valid UTF-8"),
        ([*LOOKUP, *SERVER, "--client", "x", NOT_UTF8], "not valid UTF-8"),
        ([*SUBMIT, *SERVER, "--client", "x", "--track", NOT_UTF8, "AQAA"], "not valid UTF-8"),
        ([*LOOKUP, "--server", "here:5000", "--client", "x", "AQAA"], "http:// or https://"),
        ([*LOOKUP, "--server", NOT_UTF8, "--client", "x", "AQAA"], "http:// or https://"),
    ],
)
def test_an_impossible_argument_is_an_error_with_a_text(arguments: list[str], reason: str) -> None:
    answer = CliRunner().invoke(main, arguments)
    assert isinstance(answer.exception, SystemExit), repr(answer.exception)
    assert answer.exit_code == 1
    assert reason in answer.output
