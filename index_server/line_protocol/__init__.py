"""The older line protocol on TCP."""
