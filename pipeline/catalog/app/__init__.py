"""The database ``app``: accounts, applications, sources of submissions, statistics."""
