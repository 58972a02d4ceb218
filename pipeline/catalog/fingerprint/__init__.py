"""The fingerprint database: fingerprints, tracks, links, changelog."""
