"""What compiled loops share: how they are compiled, and counting bits."""
