"""``acoustid bench stages``: the stages of a lookup, one by one."""
