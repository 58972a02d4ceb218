"""Audio files of the client commands: their walk, fingerprints, results and tags."""
