"""Recovery of workers: short pauses between connections to the broker, end of a stuck process."""
