"""The settings: sections, options, loading, description."""
