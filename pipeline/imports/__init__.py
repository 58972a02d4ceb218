"""The stages of an import: validate, dedupe, score, persist."""
