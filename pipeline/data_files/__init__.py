"""The files of an export, which the public service has too: tables and fields, names, manifest.

One file has the rows of a table that were created or updated on one day, in UTC: gzipped JSON
lines, without fields that are null. `pipeline.export` writes these files, `pipeline.bulk_import`
reads them.
"""
