"""Merging segments: the policy, and the merge of their postings."""
