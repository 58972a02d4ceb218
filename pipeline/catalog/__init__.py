"""The catalogue: tables, SQL and migrations of the four PostgreSQL databases.

`app`, `fingerprint`, `ingest` and `musicbrainz` have a folder each. Its `tables.py` declares all
tables and columns; the other modules read and write them on a connection that the caller commits.
`edits` has the corrections by admins, which commit themselves.

To add a column or a table:

1. Declare it in ``<database>/tables.py``. Columns that several tables have are in
   `common_columns`.
2. Write a revision ``migrations/<database>/<database>_<number>_<name>.py``, whose `down_revision`
   is the number before it. ``acoustid migrate`` runs it (`migrate`).
3. Run ``tests/integration/catalog/test_migrations.py``: it compares the migrated databases with the
   tables.
"""
