"""Access to the API: API keys, their cache, and rate limits."""
