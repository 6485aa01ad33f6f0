"""State shared by the processes of one machine. There are four ways to share it:

- ``link`` and ``hub``, for exact state. It lives in the supervisor, in the same kind of object that a single process
  uses; a ``Hub`` serves its methods as functions of plain values, and a ``Link`` calls them from any worker thread, at
  the cost of one round trip. To share another kind of state, add a table of its functions, such as
  ``response_store.remote.services``, a class with the same methods that calls them, such as ``RemoteStore`` there, and
  a line in ``server.shared_state``.
- ``lock``, for exact state that every call needs. It lives in shared memory, and each step takes the lock:
  ``limits.window_table``.
- ``board``, for state that must never block. Each process has its own copy and tells the others what changed:
  ``gateway.cooldowns`` and ``gateway.affinity``.
- ``counter_rows``, for numbers in shared memory: named, created on demand, summed over all processes. Those of metrics
  outlive their process, those of calls in flight do not (``gateway.bounds``).

Times are those of ``time.monotonic``, which is one clock for all processes of a machine.
"""
