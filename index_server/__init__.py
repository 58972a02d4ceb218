"""The index server: named indexes behind fpindex's HTTP API and its older line protocol.

It stands by itself: no database, no Redis, no Celery. `index_server.server` runs it,
`docs/index-server.md` describes what it speaks.
"""
