"""Settings for the fingerprint tests."""

from hypothesis import settings

# A deadline per example would be an assertion about time, which a busy machine breaks.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
