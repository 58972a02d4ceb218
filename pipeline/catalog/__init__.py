"""The catalogue: tables, migrations and repositories of the four logical databases."""
