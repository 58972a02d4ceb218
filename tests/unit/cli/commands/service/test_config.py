"""``acoustid config check``: the effective settings as text."""

from pathlib import Path

from cli.commands.service.config import describe
from pipeline.settings.load import load_settings
from pipeline.settings.option_names import sections
from pipeline.settings.sections import Settings


def test_every_section_and_option_is_listed() -> None:
    text = describe(Settings())
    for section in sections().values():
        block = text.split(f"[{section.name}]\n")[1].split("\n\n")[0]
        assert [line.split(" =")[0] for line in block.splitlines()] == list(section.options)


def test_values_have_the_syntax_of_the_file() -> None:
    text = describe(Settings())
    for line in (
        "traces_sample_rate = 0.1",
        "global_limit = 100",
        "pool_pre_ping = true",
        "servers =",
        "path = data/index",
    ):
        assert f"\n{line}\n" in text


def test_secrets_are_masked_and_origins_are_named(tmp_path: Path) -> None:
    path = tmp_path / "some.conf"
    path.write_text("[redis]\npassword = hunter2\n[logging]\nlevel_a__b = error\n")
    environ = {"ACOUSTID_DATABASE_PASSWORD": "hunter2", "ACOUSTID_DATABASE_RO_PORT": "7"}
    text = describe(load_settings(path, environ))
    assert "hunter2" not in text
    assert text.count("# from ACOUSTID_DATABASE_PASSWORD\npassword = ***\n") == 2
    assert f"# from {path}: [redis] password\npassword = ***\n" in text
    assert "# from ACOUSTID_DATABASE_RO_PORT\nport = 7\n" in text
    assert f"# from {path}: [logging] level_a__b\nlevel_a__b = ERROR\n" in text


def test_the_output_can_be_loaded_again(tmp_path: Path) -> None:
    environ = {
        "ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT": "0.25",
        "ACOUSTID_LOGGING_LEVEL_SQLALCHEMY__ENGINE": "DEBUG",
        "ACOUSTID_DATABASE_HOST": "elsewhere",
        "ACOUSTID_DATABASE_POOL_RECYCLE": "",
    }
    settings = load_settings(environ=environ)
    path = tmp_path / "again.conf"
    path.write_text(describe(settings))
    again = load_settings(path, {})
    assert again.model_copy(update={"sources": settings.sources}) == settings
