"""The domain: stages, catalogue, index, fingerprints, and what they run on."""
