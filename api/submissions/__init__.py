"""``/v2/submit`` and ``/v2/submission_status``."""
