"""The ingest database: submissions and their provenance."""
