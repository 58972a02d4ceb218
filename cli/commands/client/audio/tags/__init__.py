"""Tags of audio files: reading them, and writing what a lookup has found."""
