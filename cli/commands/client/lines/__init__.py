"""Files of JSON lines: opens them, and checks each line."""
