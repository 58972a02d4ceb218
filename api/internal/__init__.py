"""``/v2/internal/*``: requests among the servers of a cluster."""
