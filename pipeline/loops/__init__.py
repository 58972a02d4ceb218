"""How loops are compiled, and what compiled loops share."""
