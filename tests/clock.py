"""A manual clock."""


class Clock:
    """Seconds that advance only when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
