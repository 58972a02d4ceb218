"""The older line protocol of fpindex on TCP."""
