"""Commands that read and change the catalogue, the index and the keys."""
