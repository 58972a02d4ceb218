"""The identification of excerpts and rough copies: candidates from the sketch index."""
