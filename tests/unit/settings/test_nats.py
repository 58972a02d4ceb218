"""Options of ``[nats]`` that contradict each other, and credentials of several lines."""

from pathlib import Path

import pytest

from pipeline.settings.load import ConfigError, load_settings

CREDENTIALS = """-----BEGIN NATS USER JWT-----
the-jwt
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
the-seed
------END USER NKEY SEED------
"""


def problems(text: str, folder: Path) -> list[str]:
    path = folder / "acoustid.conf"
    path.write_text(f"[nats]\n{text}\n")
    try:
        load_settings(path, {})
    except ConfigError as error:
        return [each.removeprefix(f"{path}: [nats] ") for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("user = me", "user: set password"),
        ("password = hidden", "password: set user"),
        ("token = hidden\nuser = me\npassword = hidden", "token: [nats] has token and also user"),
        ("token = hidden\ncredentials_file = creds", "token: [nats] has token and also cred"),
        (
            "user = me\npassword = hidden\ncredentials_file = creds",
            "[nats] has credentials and also user",
        ),
        ("subject = a.b\ndead_letter = a.b", "dead_letter: must differ from the subject"),
        ("stream = a\ndead_letter = a", "dead_letter: must differ from the subject"),
        (
            "servers = a\nstream = a\npublish_subject = a",
            "publish_subject: must differ from the subject",
        ),
        ("publish_subject = x", "publish_subject: set servers in [nats] too"),
        ("stream = a\nsubject = a.rejected", "dead_letter: must differ from the subject"),
        (
            "servers = a\npublish_subject = x\ndead_letter = x",
            "publish_subject: must differ from dead_letter",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "creds").write_text(CREDENTIALS)
    [found] = problems(options, tmp_path)
    assert problem in found
    assert "hidden" not in found


@pytest.mark.parametrize(
    "options",
    [
        "user = me\npassword = hidden",
        "token = hidden",
        "credentials_file = creds",
        "servers = a\nsubject = a.in\ndead_letter = a.refused\npublish_subject = a.out",
    ],
)
def test_options_that_belong_together_are_accepted(options: str, tmp_path: Path) -> None:
    (tmp_path / "creds").write_text(CREDENTIALS)
    assert problems(options, tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "the-seed",
        CREDENTIALS.partition("-----BEGIN USER")[0],
        CREDENTIALS.replace("the-jwt\n", ""),
        CREDENTIALS.replace("the-seed\n", "\n"),
    ],
)
def test_incomplete_credentials_are_refused_and_not_shown(text: str, tmp_path: Path) -> None:
    """nats-py searches for the line of the JWT without end."""
    (tmp_path / "creds").write_text(text)
    [found] = problems("credentials_file = creds", tmp_path)
    assert "must be the text of a credentials file" in found
    assert "the-seed" not in found


def test_credentials_of_several_lines_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "creds").write_text(CREDENTIALS)
    path = tmp_path / "acoustid.conf"
    path.write_text("[nats]\ncredentials_file = creds\n")
    for settings in (
        load_settings(path, {}),
        load_settings(None, {"ACOUSTID_NATS_CREDENTIALS_FILE": str(tmp_path / "creds")}),
        load_settings(None, {"ACOUSTID_NATS_CREDENTIALS": CREDENTIALS}),
    ):
        assert settings.nats.credentials is not None
        lines = settings.nats.credentials.get_secret_value().splitlines()
        assert lines == CREDENTIALS.splitlines()


def test_credentials_inside_the_file_are_refused_with_the_other_option(tmp_path: Path) -> None:
    text = CREDENTIALS.replace("\n", "\n  ")
    [found] = problems(f"credentials = {text}", tmp_path)
    assert "set credentials_file" in found
    assert "the-seed" not in found
