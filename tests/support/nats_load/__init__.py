"""Messages with submissions for NATS, right and wrong ones, and what becomes of them."""
