"""Facts about model families: what each accepts, rejects and can do, with the source and date of every fact.

Pure functions of a model's name. Nothing here knows a wire format or a host; a provider adds and removes what its host
does differently. Names are parsed in ``names`` only.
"""
