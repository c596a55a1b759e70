"""What the server takes at most. It is known before anything large is imported."""

from typing import NamedTuple


class Limits(NamedTuple):
    """What is refused with 413, and how long is waited. The flags of serve.py say more."""

    bytes: int = 1 << 20  # of a body
    text: int = 100_000  # characters
    texts: int = 1000  # of a request
    queue: int = 256  # requests that wait for a model
    timeout: float = 30.0  # seconds
