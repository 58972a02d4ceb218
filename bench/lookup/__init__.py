"""``acoustid bench lookup``: lookups over HTTP."""
