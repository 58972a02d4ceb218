"""fpindex's HTTP API."""
