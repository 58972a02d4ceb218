"""The sample catalogue: real fingerprints of free music, and a MusicBrainz dump for them.

``python -m cli.sample.build`` builds the files. Metadata that is not in the tags is invented.
"""

from cli.sample.load import load_sample
from cli.sample.recordings import demo_lookup, write_demo_lookup

__all__ = ["demo_lookup", "load_sample", "write_demo_lookup"]
