"""Imports the lines of other catalogues as submissions, in bulk and in this process.

`receipt_writer` writes the receipts of many lines, together with the progress in their files
(`progress`), in one transaction. Then it runs the stages of `pipeline.imports` on them, and applies
the changelog to the index and the other copies. So the rules of submissions decide which lines
share a track. `submitter` chooses the account and the application of the lines.
"""
