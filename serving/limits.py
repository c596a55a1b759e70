"""The limits of the server, apart from the rest, so that serve.py knows the defaults before it
imports anything large.
"""

from typing import NamedTuple


class Limits(NamedTuple):
    """The largest request, and how long the server waits; the help of serve.py explains them."""

    bytes: int = 1 << 20  # of a body
    text: int = 100_000  # characters
    texts: int = 1000  # of a request
    queue: int = 256  # requests that wait for a model
    timeout: float = 30.0  # seconds
