"""A small catalogue to try the service with, and what loads it.

Its files are made by ``python -m cli.sample.build``. The fingerprints are of real music; what
MusicBrainz would say of it is made up where the tags say nothing.
"""

from cli.sample.demo import demo_lookup, write_demo_lookup
from cli.sample.load import load_sample

__all__ = ["demo_lookup", "load_sample", "write_demo_lookup"]
