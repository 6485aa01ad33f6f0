"""Claude Code's requirements for gateways, as rules that run against any gateway.

Nothing here depends on the gateway: requests are those of Claude Code, and verdicts follow from what a client sees and
what arrives at our own upstream. Of Nexus, this uses only the JSON and stream helpers, the log redactor, and the
launcher for ``--nexus``.

Reading order: ``main`` (options and exit codes), ``rules`` (the table, and one run), ``findings`` (what a rule
records), ``fixture`` (what a rule works with), ``client``, ``upstream``, ``bodies`` (the requests), ``compare``;
then the rules: ``paths`` (C1, C10, C11, C13), ``forwarding`` (C2, C12, C14), ``pairs`` (C3), ``content`` (C4 to C6),
``streaming`` (C7), ``failures`` (C8, C9); ``local`` (starts Nexus for ``--nexus``) and ``report``.
"""
