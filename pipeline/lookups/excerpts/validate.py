"""The first stage of a lookup of an excerpt: decodes the fingerprint, and checks its content."""

import numpy as np

from pipeline.excerpts.content import lacking_content
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import LookupBatch


def validate_excerpts(batch: LookupBatch) -> LookupBatch:
    """Replace each compressed fingerprint by its words, or set the lookup's error.

    The error of an excerpt without enough content for a search says what it lacks, such as
    ``it has 5 distinct words; it needs 12: about 4.5 s of music``.
    """
    for lookup in validate_lookups(batch).lookups:
        if not lookup.words:
            continue
        if lacking := lacking_content(np.frombuffer(lookup.words, dtype="<u4")):
            lookup.error = f"it has {lacking}"
            lookup.words = b""
    return batch
