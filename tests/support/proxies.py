"""A TCP proxy between a client and its scheduler, whose connections can be cut for a while."""

import contextlib
import socket
import threading


class Proxy:
    """Hands on all connections from `address` to another one until it is cut; in threads of its own."""

    def __init__(self, target):
        host, port = target.removeprefix("tcp://").rsplit(":", 1)
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets, self._is_cut = [], False
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.cut()
        self._listener.close()

    def cut(self):
        """Break all connections and accept no others, until `heal`."""
        self._is_cut = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets.clear()

    def heal(self):
        """Accept connections again."""
        self._is_cut = False

    def _accept(self):
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._sockets += near, far
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, name="proxy", daemon=True).start()

    @staticmethod
    def _pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
