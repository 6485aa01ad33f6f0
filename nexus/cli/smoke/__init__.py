"""The smoke test: a client that believes nothing, in front of the real server.

It speaks plain HTTP with the standard library and judges bytes by what the dialects promise; of Nexus it uses the
settings, the server to start and the event stream decoder, never a codec, for that is what is being tested.

Read on in this order: ``main`` (options and exit codes), ``run`` (rows), ``probe`` and ``capabilities`` (questions),
``dialect`` with ``chat`` and ``messages`` (what is sent and what must come back), ``exchange`` (one HTTP exchange),
``site`` (where), ``caller`` (as whom), ``report``.
"""
