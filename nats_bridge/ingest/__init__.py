"""Takes submissions from a stream: the loop, the checks of messages, receipts, dead letters."""
