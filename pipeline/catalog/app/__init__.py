"""The app database: accounts, applications, sources, statistics."""
