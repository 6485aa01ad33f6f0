"""What Claude Code expects of a gateway, as rules that are run against one.

Nothing here depends on whose gateway it is: requests are what Claude Code sends, verdicts rest on what a client
sees and on what arrives at an upstream of our own. Of Nexus only the decoders of streams are used.

Read on in this order: ``main`` (options and exit codes), ``rules`` (the table, and one run), ``findings`` (what a rule
writes down), ``fixture`` (what a rule works with), ``client``, ``upstream``, ``bodies`` (what is sent), ``compare``;
then the rules: ``paths`` (C1, C10, C11, C13), ``forwarding`` (C2, C12, C14), ``pairs`` (C3), ``content`` (C4 to C6),
``streaming`` (C7), ``failures`` (C8, C9); ``local`` (a Nexus of its own) and ``report``.
"""
