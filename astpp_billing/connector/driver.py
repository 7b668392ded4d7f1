"""The driver: PyMySQL, made to encrypt or refuse, and to end in time whatever answers.

PyMySQL encrypts only when the server offers it, hands the password to servers that ask for it in plain text or send a
key of their own, and waits for ever for a greeting. The methods that are overridden here are private to it, so
``driver`` refuses versions that lack them.
"""

import socket
import ssl
import time
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.protocol import MysqlPacket

    from .database import Settings

# Seconds in which a server has to be reached, greet us and let us in, all in all.
HANDSHAKE = 10
# Seconds afterwards in which a server has to answer, and to take what we send.
READING, WRITING = 600, 60
# Before a server has let us in, nothing that it says is longer.
MAX_GREETING = 1 << 16
MAX_PACKET = (1 << 24) - 1
# Ways to log in that send a mere proof of the password, or the password over an encrypted connection only.
PLUGINS = ("mysql_native_password", "caching_sha2_password", "sha256_password", "client_ed25519")
CHANGED = (
    "connect",
    "_get_server_information",
    "_request_authentication",
    "_process_auth",
    "_read_bytes",
    "_write_bytes",
)


class ConnectorError(Exception):
    """A fault of the ASTPP database that an administrator can mend; the text says how."""

    code = 0
    """the server's error number, 0 when there is none"""
    detail = ""
    """the server's own words, which may repeat what is secret: not to be shown as they are"""


class UnreachableError(ConnectorError):
    """Nothing answers: the statement is not at fault and can be tried again later."""


class TooSlowError(ConnectorError):
    """The answer did not come in time."""


def driver() -> ModuleType:
    """Return PyMySQL.

    :raise ConnectorError: with advice, when it is missing or another version than we know
    """
    try:
        import pymysql  # noqa: PLC0415  (only who connects to a database needs it)
    except ImportError:
        raise ConnectorError(
            "The Python package PyMySQL is not installed on the Odoo server. Install it (pip install PyMySQL, or "
            "apt install python3-pymysql) and restart Odoo. Files and the API work without it."
        ) from None
    if missing := [name for name in CHANGED if not hasattr(pymysql.connections.Connection, name)]:
        # Without these methods our checks would not run, and the password might be sent anywhere.
        raise ConnectorError(
            f"PyMySQL {pymysql.__version__} is not a version that this addon knows ({', '.join(missing)} missing). "
            "Install 1.1."
        )
    return pymysql


def connect(settings: "Settings", deadline: float | None = None) -> "Connection":
    """Return a connection of the driver's.

    :param deadline: moment of ``time.monotonic`` at which everything on this connection ends; None: there are limits
        for the handshake (``settings.timeout``) and for each answer (ten minutes)
    :raise ConnectorError: when encryption was asked for and is not offered, or the server asks for the password itself
    :raise Exception: of any kind, when what answers is no database
    """
    pymysql = driver()
    connection = _connection_class()(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        # PyMySQL would encode it as Latin-1; the clients that passwords are set with use UTF-8.
        password=settings.password.encode(),
        database=settings.database,
        charset="utf8mb4",
        read_timeout=READING,
        write_timeout=WRITING,
        ssl=_tls(settings),
        # No decoders: all values come as text, because Python has no zero dates, and floats lose decimals.
        conv=dict(pymysql.converters.encoders),
        use_unicode=True,
        defer_connect=True,
    )
    handshake = time.monotonic() + settings.timeout
    connection.deadline = min(handshake, deadline or handshake)
    connection.connect()
    connection.deadline = deadline
    connection._write_timeout = WRITING
    if settings.tls != "off" and not isinstance(connection._sock, ssl.SSLSocket):
        connection._force_close()
        raise _not_encrypted(settings.host, settings.port)
    return connection


def _tls(settings: "Settings") -> ssl.SSLContext | None:
    if settings.tls == "off":
        return None
    try:
        if settings.ca_file and not Path(settings.ca_file).is_file():
            raise ValueError(settings.ca_file)
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ValueError):
        # The same text whatever is wrong: it must not reveal which files are on the server.
        raise ConnectorError(
            f"The certificate file {settings.ca_file} cannot be used: Odoo finds no file there that it may read and "
            "that holds certificates in PEM format."
        ) from None
    if settings.tls == "on":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _not_encrypted(host: str, port: int) -> ConnectorError:
    return ConnectorError(
        f"{host}:{port} offers no encryption, so neither password nor question was sent. Switch on TLS in the database "
        "server, or choose another encryption here."
    )


@lru_cache(1)
def _connection_class() -> "type[Connection]":
    pymysql = driver()
    # PyMySQL has no types.
    stock: Any = pymysql.connections.Connection

    class Connection(stock):
        """A connection that encrypts or refuses, and knows when to end."""

        deadline: float | None = None
        """moment of ``time.monotonic``; always set until the server has let us in"""
        let_in = False
        _public_key: bytes | None = None

        def connect(self, sock: socket.socket | None = None) -> None:
            """Connect, greet and log in before the deadline."""
            return super().connect(sock or self._reach())

        def _reach(self) -> socket.socket:
            error = OSError("no address")
            for family, kind, protocol, _name, address in socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM
            ):
                sock = socket.socket(family, kind, protocol)
                try:
                    sock.settimeout(self._left())
                    sock.connect(address)
                except OSError as failed:
                    sock.close()
                    error = failed
                    continue
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self.host_info = f"socket {self.host}:{self.port}"
                return sock
            raise error

        def _left(self) -> float | None:
            """Return the seconds left until the deadline, None when there is none."""
            if self.deadline is None:
                return None
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            return left

        @property
        def server_public_key(self) -> bytes | None:
            return self._public_key

        @server_public_key.setter
        def server_public_key(self, key: bytes | None) -> None:
            # PyMySQL would encrypt the password with this key, whoever sent it.
            if key:
                raise ConnectorError(
                    f"{self.host}:{self.port} asks for the password, to be encrypted with a key that nobody vouches "
                    "for. It was not sent: choose an encrypted connection."
                )

        def _request_authentication(self) -> None:
            if self.ssl and not self.server_capabilities & pymysql.constants.CLIENT.SSL:
                raise _not_encrypted(self.host, self.port)
            try:
                answer = super()._request_authentication()
            except ssl.SSLCertVerificationError as error:
                raise ConnectorError(
                    f"The certificate of {self.host}:{self.port} is not accepted: {error.verify_message}."
                ) from None
            except ssl.SSLError as error:
                raise ConnectorError(
                    f"The encrypted connection to {self.host}:{self.port} could not be made ({error.reason})."
                ) from None
            self.let_in = True
            return answer

        def _process_auth(self, plugin_name: bytes, auth_packet: "MysqlPacket") -> "MysqlPacket":
            name = plugin_name.decode("ascii", "replace")[:40]
            if name not in PLUGINS:
                # mysql_clear_password and dialog send the password itself, encrypted connection or not.
                raise ConnectorError(
                    f"{self.host}:{self.port} asks for the password by {name}, which would hand it out. It was not sent. "
                    f"Let the database user log in by one of {', '.join(PLUGINS)}."
                )
            return super()._process_auth(plugin_name, auth_packet)

        def _read_bytes(self, num_bytes: int) -> bytes:
            if num_bytes >= MAX_PACKET or (not self.let_in and num_bytes > MAX_GREETING):
                self._force_close()
                raise ConnectorError(f"{self.host}:{self.port} answers with more than any database of ASTPP's would.")
            if self.deadline is None:
                return super()._read_bytes(num_bytes)
            # The driver's own limit starts anew with each piece, however small.
            data = bytearray()
            try:
                while len(data) < num_bytes:
                    self._sock.settimeout(self._left())
                    piece = self._rfile.read1(num_bytes - len(data))
                    if not piece:
                        break
                    data += piece
            except TimeoutError:
                self._force_close()
                kind = TooSlowError if self.let_in else UnreachableError
                raise kind(f"{self.host}:{self.port} did not answer in time.") from None
            except OSError:
                self._force_close()
            if len(data) < num_bytes:
                self._force_close()
                raise pymysql.err.OperationalError(2013, "Lost connection")
            return bytes(data)

        def _write_bytes(self, data: bytes) -> None:
            if self.deadline is not None:
                # The socket keeps this limit while TLS is started.
                self._write_timeout = self._left()
            return super()._write_bytes(data)

    return Connection
