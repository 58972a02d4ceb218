"""The commands of ``acoustid``, a file for each."""
