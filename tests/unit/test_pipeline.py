"""What the package `pipeline` itself offers."""

import subprocess
import sys

import pytest

import pipeline


def test_importing_the_package_imports_none_of_its_modules() -> None:
    """A program that only needs the settings does not load NumPy and SQLAlchemy."""
    program = (
        "import sys, pipeline; print(*(m for m in sys.modules if m.split('.')[0] in "
        "{'pipeline', 'numpy', 'sqlalchemy', 'numba'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["pipeline"]


def test_the_public_classes_are_attributes() -> None:
    """Each name of `__all__` can be imported."""
    for name in pipeline.__all__:
        assert getattr(pipeline, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy import does not hide a typing error."""
    with pytest.raises(AttributeError, match="FingerprintServise"):
        _ = pipeline.FingerprintServise
