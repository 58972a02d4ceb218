"""Commands that show, correct and merge tracks."""
