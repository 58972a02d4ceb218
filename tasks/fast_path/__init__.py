"""What makes lookups cheaper than Celery's ordinary ways, each part with a setting that ends it.

``docs/fast-path.md`` lists the parts, their settings, and what they lean on. Nothing outside this
folder depends on a part being on: without all of them a lookup is an ordinary Celery chain.
"""
