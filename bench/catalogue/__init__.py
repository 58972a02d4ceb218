"""A benchmark's catalogue, made from numbers, and how it gets into the databases."""
