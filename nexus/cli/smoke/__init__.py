"""The smoke test: a strict client of the real server.

It uses plain HTTP from the standard library and checks the bytes against what the dialects promise. Of Nexus it uses
the settings, the server and the event stream decoder, but no codec, because the codecs are what is tested.

Read in this order: ``main`` (options and exit codes), ``run`` (rows), ``probe`` and ``capabilities`` (requests),
``dialect`` with ``chat`` and ``messages`` (request and answer formats), ``http`` (one HTTP exchange), ``site`` (the
server), ``caller`` (credentials), ``report``.
"""
