"""``acoustid bench import`` and ``acoustid bench round-trip``: data files and JSON lines."""
