"""The smoke test: a client of the real server, in every format that the server's clients speak.

Read in this order: ``main`` (options and exit codes), ``run`` (rows), ``probe`` and ``capabilities`` (requests),
``formats`` (how they are written and read), ``http`` (one HTTP exchange), ``site`` (the server), ``caller``
(credentials), ``report``.
"""
