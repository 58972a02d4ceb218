"""The settings of the service, read from ``acoustid.conf`` and the environment.

`sections` declares every option with its type and default, and `option_types` has the checked
types. `option_names` has the names in the file and in the environment, and `load` reads them.
`paths` makes the values of options of the type `Path` absolute, and `tls_checks` checks
certificates and keys.

To add an option:

1. Add a field to a class of `sections`, and describe it in the class's docstring.
2. Add it with a comment to ``acoustid.conf.dist``, and to the table of its section in
   ``docs/configuration.md``. ``tests/unit/project/test_documents.py`` compares them with the
   fields.
3. Read it as ``settings.<section>.<option>``. Functions get the settings, or one section, as an
   argument; no module reads them at import.

A new section is a new class in `sections`, and a field of `Settings`.
"""
