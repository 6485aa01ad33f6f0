"""What the processes of one machine have in common: numbers in shared memory, and calls from workers to the supervisor.

State that worker processes have to agree on lives in the supervisor, as an object of the kind that a single process has
for itself. ``hub.Hub`` serves its methods as functions of plain values, by name; ``link.Link`` calls them from any
worker. So one more kind of state takes three things: the object as it is for a single process, a table of its functions
(``limits.store_remote.services`` is one), and a class with the same methods that calls them (``RemoteStore``).
``server.shared_state`` is where the tables are put together and where the choice between the two is made.

Times may be passed as ``time.monotonic`` gives them: it is one clock for all processes of a machine. What has to be
read without waiting, such as whether anything rests at all, stands in ``cells.Cells``.
"""
