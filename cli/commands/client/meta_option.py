"""The option ``--meta``: the words of the parameter `meta` of a lookup."""

import re
from typing import Final

import click

from cli.printable import printable
from pipeline.lookups.metadata.meta_words import META_WORDS

_SEPARATORS: Final = re.compile(r"[\s+,]+")
_NUMBERS: Final = frozenset({"0", "1", "2"})


class MetaWords(click.ParamType[str]):
    """Words of `meta`. The service ignores unknown ones, so a typing error would have no effect."""

    name = "words"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the words as they are.

        Raises:
            click.BadParameter: a word is unknown.
        """
        if value.strip() in _NUMBERS:
            return value
        for word in filter(None, _SEPARATORS.split(value)):
            if word not in META_WORDS:
                known = ", ".join(META_WORDS)
                self.fail(f"{printable(word)!r} is unknown. The words are {known}", param, ctx)
        return value


META_WORDS_TYPE: Final = MetaWords()
