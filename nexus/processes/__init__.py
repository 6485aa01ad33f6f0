"""What the processes of one machine have in common. Four ways to share, each for another need:

- ``link`` and ``hub``: what must be exact. State lives in the supervisor as an object of the kind that a single process
  has for itself; a ``Hub`` serves its methods as functions of plain values, and a ``Link`` calls them from any worker
  thread at the price of one round trip. One more kind of state takes a table of its functions, such as
  ``response_store.remote.services``, a class with the same methods that calls them, such as ``RemoteStore`` there, and
  a line in ``server.common``.
- ``lock``: what must be exact and is asked for by every call. State lies in memory that all see, and each step takes
  the lock: ``limits.shared_windows``.
- ``board``: what must not wait. Each process has its own copy and tells the others what changed; ``gateway.rests`` and
  ``gateway.affinity`` share so.
- ``cells``: numbers in memory that all see, such as the connections of each (``server.shares``); ``rows`` of them have
  names, come as they are needed and outlive their process: what metrics count.

Times are passed as ``time.monotonic`` gives them: it is one clock for all processes of a machine.
"""
