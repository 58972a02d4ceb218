"""Backups of the databases and of the configuration, and their restoration."""
