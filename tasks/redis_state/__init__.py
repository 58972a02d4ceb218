"""What processes tell each other through Redis, beside the messages."""
