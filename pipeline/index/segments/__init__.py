"""The segment: its file, its postings, and the set of segments that make up an index."""
