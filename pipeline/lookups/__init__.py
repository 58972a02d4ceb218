"""The stages of a lookup: validate, dedupe, score, describe."""
