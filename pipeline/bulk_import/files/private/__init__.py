"""Imports the private tables of an export: accounts, keys, submissions and what refers to them."""
