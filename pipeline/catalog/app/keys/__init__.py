"""The keys of applications and accounts: their form, their changes, lists of their holders."""
