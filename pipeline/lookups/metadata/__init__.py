"""How the metadata of a lookup's answer is put together, from plain rows to JSON."""
