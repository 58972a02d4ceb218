"""Commands that start, stop and inspect the service."""
