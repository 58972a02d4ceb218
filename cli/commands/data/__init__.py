"""Commands that move and back up the data: export, import, backup, restore."""
