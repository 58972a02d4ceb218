"""Commands that create, change and list keys and accounts."""
