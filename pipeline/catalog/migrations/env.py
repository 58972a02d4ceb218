"""Alembic's environment: runs the revisions of one database on the connection of `migrate`."""

from alembic import context

options = context.config.attributes

context.configure(
    connection=options["connection"],
    target_metadata=options["metadata"],
    version_table=options["version_table"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
