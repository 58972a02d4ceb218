"""``acoustid bench submit``: submissions over HTTP."""
