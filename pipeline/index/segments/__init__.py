"""The segment: its file, its postings, and the set of segments of an index."""
