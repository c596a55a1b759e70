"""A lane: one thread that does the work of a model which takes too long for the event loop.

Requests wait in a queue that is bounded. Those that wait at the same time and ask alike are done
together, as one batch.
"""

import asyncio
import collections
import threading
from typing import Any, NamedTuple

MOST_TEXTS = 64  # texts of a batch, unless one request alone has more


class Full(Exception):
    """The queue is full."""


class Work(NamedTuple):
    """What a request asks of a model."""

    model: Any
    texts: list
    options: tuple  # (split, offsets, nbest); requests with the same ones are done together
    loop: Any
    future: Any


class Lane:
    """The queue of one model, and its thread, which ends after close() once the queue is empty.

    run(model, texts, options): -> a list with a result for each text. It may raise.
    most: requests that may wait.
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
        """The results of run() for these texts. Raises Full at once, or what run() raises."""
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
            del batch  # or the model of the last batch stays until the next one

    def _take(self):
        """The next requests that are done together; [] at the end."""
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
        """Answers a batch. If it fails, each request is done by itself: only its own mistake fails
        it.
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
        if work.future.done():  # its request was given up
            return
        if error is None:
            work.future.set_result(result)
        else:
            work.future.set_exception(error)

    work.loop.call_soon_threadsafe(settle)
