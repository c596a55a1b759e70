"""What the routes share in one process: models, limits, admission, counters."""

import base64
import binascii
import gc
import hmac
import math
import time

from serving.lane import Full, Lane
from serving.requests import Refusal, run
from serving.texts import Mistake

QUICK_BYTES = 16_384  # largest request that is tagged on the event loop itself


class Served:
    """An opened model, and the lane in which requests wait for it."""

    def __init__(self, model, limits):
        self.model, self.name, self.quick = model, model.name, model.quick
        self.lane = Lane(run, limits.queue)
        self.info = model.info()
        self.version = self.info["version"]


class Service:
    """The state of one process of the server.

    models: list of Engine or Checkpoint; the first one is the default. limits: Limits. row: the Row
    of Metrics that this process adds to. rate: a RateLimit. token: "" where requests need none.
    """

    def __init__(self, models, limits, metrics, row, rate, token=""):
        self.limits, self.metrics, self.row, self.rate = limits, metrics, row, rate
        self.token = token.encode()
        self.models = {model.name: Served(model, limits) for model in models}
        self.default = next(iter(self.models))
        self.draining = False

    def served(self, name=None):
        """The Served with this name, or the first one without a name. Raises Refusal."""
        found = self.models.get(name or self.default)
        if found is None:
            raise Refusal(404, f"no model {name[:40]!r} here; there are {', '.join(self.models)}")
        return found

    def replace(self, model):
        """Serves a model in place of the one with the same name, which is freed once its requests
        are answered.
        """
        old = self.models[model.name]
        self.models[model.name] = Served(model, self.limits)
        old.lane.close()
        del old
        gc.collect()  # a graph of TensorFlow has reference cycles

    def waiting(self):
        return sum(len(served.lane) for served in self.models.values())

    # ------------------------------------------------------------ who may ask

    def admit(self, headers, client):
        """Raises Refusal where a request lacks the token, or comes too soon after others.

        headers: (name, value) pairs of bytes, names in lower case. client: an address.
        """
        if self.token and not self._bears_token(headers):
            raise Refusal(
                401,
                "this server asks for a token: send it as `Authorization: Bearer TOKEN`",
                [(b"www-authenticate", b"Bearer")],
            )
        if self.rate.rate:
            wait = self.rate.wait(client, time.monotonic())
            if wait:
                raise Refusal(
                    429,
                    f"more than {self.rate.rate:g} requests a second; ask again later",
                    [(b"retry-after", str(math.ceil(wait)).encode())],
                )

    def _bears_token(self, headers):
        """Whether a request has the token, as a bearer token or as the password of basic
        authentication, which Label Studio sends.
        """
        given = next((value for name, value in headers if name == b"authorization"), b"")
        kind, _, value = given.partition(b" ")
        if kind.lower() == b"basic":
            try:
                value = base64.b64decode(value.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return False
        elif kind.lower() != b"bearer":
            return False
        return hmac.compare_digest(value.strip(), self.token)

    # ------------------------------------------------------------ tagging

    def is_quick(self, size, job):
        """Whether a job whose request has `size` bytes is tagged on the event loop."""
        options = job.options
        return (
            size <= QUICK_BYTES
            and job.served.quick
            and not options.nbest
            and not options.tokens
            and len(job.served.lane) < self.limits.queue
        )

    def now(self, job):
        """Tags at once, and returns the body of the answer. Raises Refusal."""
        try:
            found = run(job.served.model, job.texts, job.options) if job.texts else []
        except Mistake as error:
            raise Refusal(400, str(error)) from None
        return self._write(job, found)

    async def answer(self, job, size):
        """Tags at once or in the lane, and returns the body of the answer. Raises Refusal."""
        if not job.texts or self.is_quick(size, job):
            return self.now(job)
        try:
            found = await job.served.lane.ask(job.served.model, job.texts, job.options)
        except Full:
            raise busy(f"{self.limits.queue:,} requests wait already") from None
        except Mistake as error:
            raise Refusal(400, str(error)) from None
        return self._write(job, found)

    def _write(self, job, found):
        self.row.count("texts", len(job.texts))
        self.row.count("characters", sum(map(len, job.texts)))
        self.row.count("tokens", sum(one.entities.tokens for one in found))
        return job.write(job, found)


def busy(why):
    return Refusal(503, f"{why}; ask again later", [(b"retry-after", b"1")])
