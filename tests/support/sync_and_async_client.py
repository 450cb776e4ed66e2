"""One body for two kinds of client: a user of each, whose verbs answer at once."""

import asyncio
import inspect
import threading
from collections import defaultdict

from distributed import Client

from akkordeon_dask import adopt, connect, deploy
from tests.support.patience import PATIENCE


class Verbs:
    """A `Running` in the hands of a user: each verb is called, and awaited, as that user does."""

    def __init__(self, user, running):
        self._user, self.plain = user, running

    def __getattr__(self, name):
        attribute = getattr(self.plain, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **options: self._user.call(attribute, *args, **options)

    def __enter__(self):
        entered = self._user.call(getattr(self.plain, self._user.enter))
        assert entered is self.plain
        return self

    def __exit__(self, *error):
        self._user.call(getattr(self.plain, self._user.exit), *error)


class User:
    """Somebody with a client, who closes it when a `with` ends."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def deploy(self, network, **options):
        return Verbs(self, self.call(deploy, network, self.client, **options))

    def adopt(self, name):
        return Verbs(self, self.call(adopt, name, self.client))

    def connect(self, name):
        return Verbs(self, self.call(connect, name, self.client))


class SynchronousUser(User):
    """Calls a verb and has the answer. `with deploy(...)`."""

    enter, exit = "__enter__", "__exit__"

    def __init__(self, address):
        self.client = Client(address, timeout=PATIENCE)

    def call(self, verb, *args, **options):
        return verb(*args, **options)

    def close(self):
        self.client.close()


class AsynchronousUser(User):
    """Calls each verb on an event loop of its own, and awaits it there. `async with await deploy(...)`."""

    enter, exit = "__aenter__", "__aexit__"

    def __init__(self, address):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="a user's loop")
        self._thread.start()
        self.client = self.call(Client, address, asynchronous=True, timeout=PATIENCE)

    def call(self, verb, *args, **options):
        return asyncio.run_coroutine_threadsafe(_awaited(verb, *args, **options), self.loop).result(PATIENCE)

    def close(self):
        self.call(self.client.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Bystander(SynchronousUser):
    """Has a client, which is this process's default one now, and does nothing with it."""

    def __init__(self, address):
        super().__init__(address)
        self.counted = set()
        """The keys that the client has ever held a future of."""
        self.client.refcount = _Ledger(self.counted)


class _Ledger(defaultdict):
    def __init__(self, counted):
        super().__init__(int)
        self._counted = counted

    def __setitem__(self, key, value):
        self._counted.add(key)
        super().__setitem__(key, value)


async def _awaited(verb, *args, **options):
    answer = verb(*args, **options)
    return await answer if inspect.isawaitable(answer) else answer
