"""Finds secrets in the texts that a service shows, and collects these texts."""
