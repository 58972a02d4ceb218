"""The index server: serves named indexes over fpindex's HTTP API and its older line protocol.

It needs no database, no Redis and no Celery. `index_server.server` runs it, and
`docs/index-server.md` describes both protocols.
"""
