"""The search for the documents that share the most terms with a query."""
