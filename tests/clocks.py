"""A clock that tests set by hand."""


class Clock:
    """``mono`` is what the recorder takes for the monotonic time, in seconds."""

    def __init__(self) -> None:
        self.mono = 1_000.0
