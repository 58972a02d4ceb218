"""``acoustid bench index-check``: an index server against a brute-force model, with kills."""
