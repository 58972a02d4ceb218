"""The import of data files: those of `pipeline.export` and those of the public service.

`reading` reads lines and encodes them, `loading` writes them to the fingerprint database in
batches, and `run` joins the parts. Decision 38 gives the reasons.
"""
