"""Alembic's environment: runs one logical database's revisions on the connection handed in."""

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
