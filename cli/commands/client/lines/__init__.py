"""Files of JSON lines: reads them, checks each line, and sends them in batches."""
