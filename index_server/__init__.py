"""The index server: named indexes behind fpindex's HTTP API and its older line protocol.

It needs no database, no Redis and no Celery. `index_server.server` runs it, and
`docs/index-server.md` describes both protocols.
"""
