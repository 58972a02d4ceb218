"""The state of a stack, for ``acoustid status``: collected here, shown as text or as JSON."""
