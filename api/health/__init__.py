"""``/_health``, ``/_health_ro``, ``/_health_docker``: the state of the service.

`probes` reads and writes databases and reads Redis, and `probe_runner` runs the probes in threads.
`table` has one row per check: its probe, the services that need it, and its judge. `judges` return
the state of a check and the line for the operator. `grades` computes the grade of a reply, and
`endpoint` writes it.
"""
