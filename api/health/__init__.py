"""``/_health``, ``/_health_ro``, ``/_health_docker``: the state of what requests need.

`probes` asks databases and Redis. `table` has one row per check, with the services that need it and
the line for the operator. `grades` computes the grade of a reply, and `endpoint` writes it.
"""
