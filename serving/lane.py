"""A lane: one thread for the work of a model that takes too long for the event loop.

Requests wait in a bounded queue. Those that wait at the same time and have the same options are
tagged together, as one batch.
"""

import asyncio
import collections
import threading
from typing import Any, NamedTuple

MOST_TEXTS = 64  # of a batch, unless a single request has more


class Full(Exception):
    """The queue is full."""


class Work(NamedTuple):
    """One request in the queue. loop, future: where its caller waits for the results."""

    model: Any
    texts: list
    options: tuple  # requests.Options; requests with equal options are tagged together
    loop: Any
    future: Any


class Lane:
    """The queue of one model, and its thread, which ends after close() once the queue is empty.

    run(model, texts, options): returns a list with a result for each text, or raises.
    most: the number of requests that may wait.
    """

    def __init__(self, run, most):
        self.run, self.most = run, most
        self.waiting = collections.deque()
        self.changed = threading.Condition()
        self.closed = False
        self.thread = None

    def __len__(self):
        return len(self.waiting)

    async def ask(self, model, texts, options):
        """The results of run() for these texts. Raises Full if the queue is full, or whatever run()
        raises.
        """
        loop = asyncio.get_running_loop()
        work = Work(model, texts, options, loop, loop.create_future())
        with self.changed:
            if len(self.waiting) >= self.most:
                raise Full
            self.waiting.append(work)
            self.changed.notify()
        if self.thread is None:
            self.thread = threading.Thread(target=self._serve, name="lane", daemon=True)
            self.thread.start()
        return await work.future

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.notify()

    def _serve(self):
        while batch := self._take():
            self._do(batch)
            del batch  # otherwise a model that was replaced stays in memory until the next batch

    def _take(self):
        """The next requests that are tagged together; [] once the lane is closed and empty."""
        with self.changed:
            while not self.waiting:
                if self.closed:
                    return []
                self.changed.wait()
            first = self.waiting.popleft()
            batch, texts, others = [first], len(first.texts), []
            while self.waiting and texts < MOST_TEXTS:
                work = self.waiting.popleft()
                alike = work.options == first.options and work.model is first.model
                if alike and texts + len(work.texts) <= MOST_TEXTS:
                    batch.append(work)
                    texts += len(work.texts)
                else:
                    others.append(work)
            self.waiting.extendleft(reversed(others))
            return batch

    def _do(self, batch):
        """Answers a batch. If it fails, each request is tagged by itself, so that only those with a
        mistake of their own fail.
        """
        try:
            results = self.run(
                batch[0].model, [text for work in batch for text in work.texts], batch[0].options
            )
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], None, error)
                return
            for work in batch:
                self._do([work])
            return
        at = 0
        for work in batch:
            _settle(work, results[at : at + len(work.texts)], None)
            at += len(work.texts)


def _settle(work, result, error):
    def settle():
        if work.future.done():  # the request was cancelled
            return
        if error is None:
            work.future.set_result(result)
        else:
            work.future.set_exception(error)

    work.loop.call_soon_threadsafe(settle)
