"""The search: query terms in, best documents out."""
