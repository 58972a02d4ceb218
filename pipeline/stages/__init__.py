"""The stages of lookups and submissions: plain functions over typed batches."""
