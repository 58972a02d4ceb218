"""Access to the API: keys and rate limits."""
