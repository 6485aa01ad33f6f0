"""Facts about model families: what each takes, refuses and can do, with the source and date of every fact.

Pure functions of a model's name. Nothing here knows a dialect's wire format or a host; a provider adds and takes
away what its host does. Names are parsed in ``names`` alone.
"""
