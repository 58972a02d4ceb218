"""The logs of a stack: pipes from its processes to a writer, which rotates the files."""
