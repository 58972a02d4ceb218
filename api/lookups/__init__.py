"""How lookups reach the workers: answer cache, fair queue, batch policy and batcher."""
