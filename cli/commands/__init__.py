"""The commands of ``acoustid``, one file each."""
