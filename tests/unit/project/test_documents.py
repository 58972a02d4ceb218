"""The documents list all options with their defaults, and name existing files only."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands.service.config import show
from pipeline.settings.load import load_settings
from pipeline.settings.option_names import sections
from pipeline.settings.sections import Settings
from tests.support.default_settings import default_settings
from tests.support.packages import PACKAGES

ROOT = Path(__file__).parents[3]
DIST = ROOT / "acoustid.conf.dist"
DOCUMENT = ROOT / "docs" / "configuration.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"

DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    if path.name != "CHANGELOG.md"  # contains names of files of earlier versions
)
PARTS = (*PACKAGES, "tests", "docs")
PATH = re.compile(rf"`((?:{'|'.join(PARTS)})/[\w./-]*)`")

Options = dict[tuple[str, str], str]


def of_the_models() -> Options:
    """Return section and option to default."""
    return {
        (section.name, name): show(getattr(section.model(), name))
        for section in sections().values()
        for name in section.options
    }


def dist_blocks() -> Iterator[tuple[str, list[str]]]:
    """Yield each section of the template with its lines."""
    for block in re.split(r"^\[", DIST.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("]\n")
        yield name, rest.splitlines()


def document_rows() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the sections in a heading, and the cells of each row below it."""
    for block in DOCUMENT.read_text(encoding="utf-8").split("\n### ")[1:]:
        heading, _, rest = block.partition("\n")
        names = re.findall(r"`\[(.+?)\]`", heading)
        for row in re.findall(r"^\| (`.*) \|$", rest, flags=re.MULTILINE):
            yield names, [cell.strip() for cell in row.split("|")]


def test_the_template_has_every_option_with_its_default() -> None:
    """The template has every option, commented out, with the model's default."""
    found = {
        (section, match[1]): match[2]
        for section, lines in dist_blocks()
        for line in lines
        if (match := re.fullmatch(r"#(\w+) = ?(.*)", line)) and not match[1].startswith("level_")
    }
    assert found == of_the_models()


def test_the_template_has_a_sentence_and_the_variable_above_every_option() -> None:
    """Above each option of the template are a sentence and its variable."""
    for section, lines in dist_blocks():
        options = sections()[section].options
        above = ""
        for line in lines:
            if match := re.fullmatch(r"#(\w+) =.*", line):
                if option := options.get(match[1]):
                    words = above.split()
                    assert option.variable in words
                    assert ("_FILE" in words) == option.secret
                    assert re.search(r"[\w)][.] ", above)
                    above = ""
            else:
                above += f"{line.removeprefix('#')} "


def test_the_unchanged_template_changes_no_default() -> None:
    """All its options are commented out."""
    assert load_settings(DIST, {}) == default_settings()


def test_the_template_with_every_line_uncommented_is_valid(tmp_path: Path) -> None:
    """Without its `#`, each line of the template is a valid option."""
    path = tmp_path / "all.conf"
    text = re.sub(r"^#(?=\w+ =)", "", DIST.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    settings = load_settings(path, {})
    levels = {"acoustid": "DEBUG", "sqlalchemy.engine": "INFO"}
    logging = Settings().logging.model_copy(update={"levels": levels})
    changed = {"logging": logging, "sources": settings.sources}
    assert settings == default_settings(tmp_path).model_copy(update=changed)


def test_the_document_has_every_option_with_its_default() -> None:
    """The tables have every option of every section, with the model's default."""
    found: Options = {}
    for names, (option, default, *_) in document_rows():
        if option == "`level_<logger>`":
            continue
        defaults = [each.strip("` ") for each in default.split(",")]
        for position, name in enumerate(names):
            found[name, option.strip("`")] = defaults[position if len(defaults) > 1 else 0]
    assert found == {
        key: value for key, value in of_the_models().items() if not key[0].endswith("_ro")
    }


def test_the_document_names_every_variable_and_secret() -> None:
    """The tables give the variable of each option, and mark the secrets and no others."""
    for names, (option, _, variable, *text) in document_rows():
        known = sections()[names[0]].options.get(option.strip("`"))
        if known:
            spelled = known.variable
            if len(names) > 1:
                spelled = f"ACOUSTID_<SECTION>_{known.name.upper()}"
            assert variable == f"`{spelled}`"
            assert ("**Secret.**" in " ".join(text)) == known.secret


def test_the_document_names_every_read_only_section() -> None:
    """The read-only sections have no table of their own."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in sections():
        assert f"`[{name}]`" in text


@pytest.mark.parametrize("path", [DIST, DOCUMENT], ids=["template", "document"])
def test_the_documents_name_no_variable_that_does_not_exist(path: Path) -> None:
    """Every variable in a document is one of an option."""
    variables = {o.variable for section in sections().values() for o in section.options.values()}
    for name in re.findall(r"ACOUSTID_[A-Z_]+", path.read_text(encoding="utf-8")):
        known = name.removesuffix("_FILE") in variables
        assert known or name in {"ACOUSTID_", "ACOUSTID_CONFIG", "ACOUSTID_LOGGING_LEVEL_"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_path_and_link_of_a_document_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = {ROOT / each for each in PATH.findall(text)}
    linked = {path.parent / each for each in re.findall(r"\]\((?!\w+:)([^)#\s]+)", text)}
    assert sorted(str(each) for each in named | linked if not each.exists()) == []


@pytest.mark.parametrize("package", ["api", "nats_bridge", "tasks", "pipeline", "cli"])
def test_every_folder_has_a_row_in_the_architecture(package: str) -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    _, _, rest = text.partition(f"\n### Folders in `{package}/`\n")
    rows = set(re.findall(r"^\| `(\w+)/` \|", rest.partition("\n#")[0], flags=re.MULTILINE))
    assert {each.parent.name for each in ROOT.glob(f"{package}/*/__init__.py")} == rows


def test_the_architecture_has_the_layers_that_are_checked() -> None:
    """Those of import-linter's contracts in pyproject.toml. Those of a stack are not drawn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    text = ARCHITECTURE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)\n```$", text, flags=re.DOTALL | re.MULTILINE)
    drawn = [[set(line.split(" | ")) for line in block.splitlines()] for block in blocks]
    for contract in contracts:
        if contract["type"] == "layers" and contract.get("containers") != ["cli.stack"]:
            assert [set(layer.split(" | ")) for layer in contract["layers"]] in drawn
