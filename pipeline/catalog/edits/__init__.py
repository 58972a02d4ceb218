"""Corrections of the catalogue by admins: links, texts, fingerprints, tracks.

An edit is one transaction of the fingerprint database, under the lock of imports and merges. It
changes rows and writes a row of the table ``edit``: account, time, reason, and each changed row
before and after. An undo is an edit, too.
"""
