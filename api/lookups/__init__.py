"""Lookups in the front end: what they are asked, and what their answers depend on."""
