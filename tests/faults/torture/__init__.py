"""Random faults on running stacks under load, then a comparison of all data with a model.

``make torture`` runs it. `tests.faults.torture.run` lists the options.
"""
