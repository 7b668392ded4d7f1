"""A connection to an ASTPP database: read consistently, streamed, and never written."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .driver import HANDSHAKE, ConnectorError, TooSlowError, UnreachableError, connect, driver

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import SSCursor

FETCH = 5000
# The driver's error numbers for servers that do not answer (any more), and for statements that took too long.
UNREACHABLE = (2002, 2003, 2006, 2013)
TOO_SLOW = (1969, 3024)
UNKNOWN_VARIABLE = 1193
# Seconds that a statement may take on a connection with a deadline.
STATEMENT = 5
# Seconds that a server waits for us to take what it has sent, and after which a snapshot is old.
PATIENCE = 3600
OLD = 300
# How many characters of a server's own words are passed on, and from how many on a password is looked for in them:
# shorter ones are parts of too many words.
MAX_DETAIL = 500
TELLING = 4

# A value as the driver returns it: text, or None where a column may be NULL. Which columns may be is not known to the
# type, so Any spares all others a check for None.
Value = str | Any


class Settings(NamedTuple):
    """How to reach a database. ``repr`` hides the password."""

    host: str
    port: int
    database: str
    user: str
    password: str
    tls: str = "off"
    """off, on (encrypted), or verify (encrypted, certificate checked)"""
    ca_file: str = ""
    """PEM file of the certificate authority; empty: the system's"""
    timeout: int = HANDSHAKE
    """seconds in which the server has to be reached, greet us and let us in, all in all"""

    def __repr__(self) -> str:
        return f"Settings({self.user}@{self.host}:{self.port}/{self.database})"


class Database:
    """Snapshots of an ASTPP database, one until ``renew``; a context manager.

    :param deadline: moment of ``time.monotonic`` at which reading ends with an error, None for no such limit
    """

    def __init__(self, settings: Settings, deadline: float | None = None):
        self.settings = settings
        self.deadline = deadline
        self._connection: Connection | None = None
        self._begun = 0.0
        self._unread: SSCursor | None = None
        """a cursor whose result has rows left, to be read before the connection takes another statement"""

    def __enter__(self) -> Self:
        self._connection = self._connect()
        try:
            self._limit_statements()
            for statement in (
                "SET SESSION time_zone = '+00:00'",
                # What is read is put away meanwhile, which may take longer than the server waits by default.
                f"SET SESSION net_write_timeout = {PATIENCE}",
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            ):
                self.execute(statement)
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        self.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        self._begun = time.monotonic()

    def renew(self) -> None:
        """Begin a new snapshot if this one is old: the server has to keep all rows that changed since it began."""
        if time.monotonic() - self._begun > OLD:
            self.execute("COMMIT")
            self._begin()

    def __exit__(self, *_exception: object) -> None:
        if self._connection:
            with contextlib.suppress(Exception):
                # A polite close would read the rest of an unfinished result first.
                self._connection._force_close()
        self._let_go(self._unread)
        self._connection = self._unread = None

    def _connect(self) -> "Connection":
        settings = self.settings
        where = f"{settings.host}:{settings.port}"
        pymysql = driver()
        try:
            return connect(settings, self.deadline)
        except ConnectorError:
            raise
        except OSError as error:
            # Of the network on this side: the server has not said anything.
            reason = error.strerror or str(error)
            raise UnreachableError(f"Nothing answers at {where}. Check host, port and firewall. ({reason})") from None
        except (pymysql.err.OperationalError, pymysql.err.ProgrammingError) as error:
            raise self._refusal(error, where) from None
        except Exception:
            raise ConnectorError(f"What answers at {where} is no MariaDB and no MySQL. Check host and port.") from None

    def _refusal(self, error: Exception, where: str) -> ConnectorError:
        """Return the error for a server that does not let us in, without its words: they may repeat the password."""
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = {
            **{code: self._advice(code) for code in (1044, 1045, 1049)},
            1040: f"{where} has no connection left.",
            1129: f"{where} has blocked this Odoo server after many failed attempts (FLUSH HOSTS there).",
            1130: f"{where} lets nobody in from this Odoo server's address.",
            2003: f"Nothing answers at {where}. Check host, port and firewall.",
            2006: f"The connection to {where} broke off.",
            2013: f"The connection to {where} broke off.",
            3159: f"{where} lets users in by an encrypted connection only.",
        }.get(code, f"{where} does not let user {self.settings.user} in (error {code}).")
        failure = (UnreachableError if code in UNREACHABLE else ConnectorError)(text)
        failure.code = code
        return failure

    def _limit_statements(self) -> None:
        """Have the server itself give up statements that take too long, if there is a deadline.

        It would otherwise go on with them after we have left.
        """
        if self.deadline is None or self._connection is None:
            return
        is_mariadb = "MariaDB" in self._connection.server_version
        try:
            self.execute(
                f"SET SESSION max_statement_time = {STATEMENT}"
                if is_mariadb
                else f"SET SESSION max_execution_time = {STATEMENT * 1000}"
            )
        except ConnectorError as error:
            if error.code != UNKNOWN_VARIABLE:
                raise

    def execute(self, statement: str, parameters: Sequence[object] | None = None) -> list[tuple[Value, ...]]:
        """Run a statement and return all its rows as tuples of text."""
        return list(self.rows(statement, parameters))

    def rows(self, statement: str, parameters: Sequence[object] | None = None) -> Iterator[tuple[Value, ...]]:
        """Yield rows as tuples of text or None, streamed from the server.

        :raise ConnectorError: when the server refuses or the connection breaks
        """
        pymysql = driver()
        if self._connection is None:
            raise RuntimeError("The database is not connected: use it in a with block.")
        cursor = self._connection.cursor(pymysql.cursors.SSCursor)
        try:
            while self._unread and self._unread.fetchmany(FETCH):
                pass
            self._unread = None
            cursor.execute(statement, parameters)
            while batch := cursor.fetchmany(FETCH):
                yield from batch
        except ConnectorError:
            self._let_go(cursor)
            raise
        except Exception as error:
            # PyMySQL raises errors of any kind when its socket was closed or an answer makes no sense.
            self._let_go(cursor)
            raise self._explained(error) from None
        except GeneratorExit:
            # Nobody wants the rest, but it is on its way: the next statement has to read past it.
            self._unread = cursor
            raise
        except BaseException:
            self._let_go(cursor)
            raise

    @staticmethod
    def _let_go(cursor: "SSCursor | None") -> None:
        """Keep a cursor of a closed connection from reading the rest of its result when it is collected."""
        if cursor and cursor._result:
            cursor._result.unbuffered_active = False
        if cursor:
            cursor.connection = None

    def _explained(self, error: Exception) -> ConnectorError:
        """Return the driver's error as one that says what it means."""
        settings = self.settings
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        detail = str(error.args[-1]) if error.args else type(error).__name__
        if len(detail) > MAX_DETAIL:
            detail = f"{detail[:MAX_DETAIL]}…"
        text = self._advice(code)
        # Blotting out the password would give away which word it is, so the server's words are left out as a whole.
        if len(settings.password) < TELLING or settings.password not in detail:
            text = f"{text} ({detail})"
        failure = (TooSlowError if code in TOO_SLOW else ConnectorError)(text)
        failure.code, failure.detail = code, detail
        return failure

    def _advice(self, code: int) -> str:
        settings = self.settings
        where = f"{settings.host}:{settings.port}"
        return {
            1044: f"User {settings.user} may not use the database {settings.database}.",
            1045: f"{where} refuses user {settings.user} with this password.",
            1049: f"{where} has no database {settings.database}.",
            1054: "The database lacks a column of ASTPP 6.",
            1142: "The user lacks a privilege.",
            1143: "The user lacks a privilege on a column.",
            1146: "The database lacks a table of ASTPP 6.",
            1969: f"The database at {where} takes too long to answer.",
            2013: f"The connection to {where} broke off.",
            2006: f"The connection to {where} broke off.",
            3024: f"The database at {where} takes too long to answer.",
        }.get(code, f"The database at {where} could not be read.")


def is_local(host: str | None) -> bool:
    """Tell whether a host is this machine, so that nobody can listen in between."""
    name = (host or "").strip().strip("[]").lower()
    if not name or name == "localhost" or name.startswith("/"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
