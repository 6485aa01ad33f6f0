"""The fields of log lines, in order; ``docs/operations.rst`` documents each of them."""

ACCESS = (
    *("id", "request_id", "trace", "status", "error", "why", "caller", "client", "group", "key"),
    *("session", "agent", "class", "place"),
    *("method", "path", "read", "protocol", "action", "model", "route", "stream", "stop", "attempts"),
    *("first_ms", "total_ms", "own_ms", "in", "out", "cached", "dropped"),
)
ATTEMPT = ("id", "route", "host", "phase", "error", "status", "why", "attempt", "of", "next")
