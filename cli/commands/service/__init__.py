"""Commands that start, stop and inspect a stack."""
