"""Servers that are no database, or a malicious one, to test what is sent to whom."""

import contextlib
import socket
import struct
import threading

# A password that must never reach such a server.
SECRET = "Sesame-Öffne-dich"
SECURE, PLUGIN = 0x8000, 0x80000
PROTOCOL_41 = 0x200


def packet(number, payload):
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(plugin="mysql_native_password", capabilities=PROTOCOL_41 | SECURE | PLUGIN):
    """Return a server's greeting."""
    return packet(
        0,
        b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"saltsalt" + b"\0" + struct.pack("<H", capabilities & 0xFFFF)
        + struct.pack("<BHH", 45, 2, capabilities >> 16) + bytes([21]) + bytes(10) + b"saltsaltsalt\0"
        + plugin.encode() + b"\0",
    )  # fmt: skip


def switch(plugin, data=b"saltsaltsaltsaltsalt\0"):
    """Return a server's request to switch to another authentication method."""
    return packet(2, b"\xfe" + plugin.encode() + b"\0" + data)


class RogueServer:
    """Listens on a port, sends prepared answers and records what it receives; a context manager."""

    def __init__(self, *says, pause=0.0, ends=False):
        self.says = says
        self.pause = pause
        self.ends = ends
        self.heard = b""
        self._closing = threading.Event()

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._closing.set()
        # Wakes up accept(), which closing the socket alone would not do.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._thread.join(10)
        self._listener.close()

    def _serve(self):
        while not self._closing.is_set():
            peer, _address = self._listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.settimeout(0.2)
                for text in self.says:
                    self._say(peer, text)
                    self._listen(peer)
                while not self.ends and not self._closing.is_set() and self._listen(peer):
                    pass

    def _say(self, peer, text):
        if not self.pause:
            peer.settimeout(10)
            peer.sendall(text)
            peer.settimeout(0.2)
            return
        for byte in text:
            if self._closing.wait(self.pause):
                return
            peer.sendall(bytes([byte]))

    def _listen(self, peer):
        """Record what is received; return whether the other side is still connected."""
        try:
            data = peer.recv(1 << 16)
        except TimeoutError:
            return True
        self.heard += data
        return bool(data)
