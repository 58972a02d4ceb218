"""Access to the API: API keys (`keys`), their caches (`key_cache`), rate limits (`rate_limit`)."""
