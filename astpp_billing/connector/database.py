"""A connection to an ASTPP database: read consistently, streamed, and never written."""

import contextlib
from ipaddress import ip_address
from typing import NamedTuple

from .driver import HANDSHAKE, ConnectorError, TooSlowError, UnreachableError, connect, driver

FETCH = 5000
# The driver's codes for servers that do not answer, or no longer, and for statements that took too long.
UNREACHABLE = (2002, 2003, 2006, 2013)
TOO_SLOW = (1969, 3024)
UNKNOWN_VARIABLE = 1193
# Seconds that a statement may take on a connection that must end in time.
STATEMENT = 5
# Characters of a server's own words that are passed on, and from which a password can be told from a word of them.
MAX_DETAIL = 500
TELLING = 4


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
    """seconds in which the server is to be reached, to greet and to let us in, all in all"""

    def __repr__(self):
        return f"Settings({self.user}@{self.host}:{self.port}/{self.database})"


class Database:
    """One snapshot of an ASTPP database; a context manager.

    :param deadline: moment of ``time.monotonic`` at which all of it ends with an error; None: when it is read
    """

    def __init__(self, settings, deadline=None):
        self.settings = settings
        self.deadline = deadline
        self._connection = None
        self._unread = None

    def __enter__(self):
        self._connection = self._connect()
        try:
            self._limit_statements()
            for statement in (
                "SET SESSION time_zone = '+00:00'",
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ):
                self.execute(statement)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception):
        if self._connection:
            with contextlib.suppress(Exception):
                # A result read in part would be read to its end by a polite close.
                self._connection._force_close()
        self._let_go(self._unread)
        self._connection = self._unread = None

    def _connect(self):
        settings = self.settings
        where = f"{settings.host}:{settings.port}"
        pymysql = driver()
        try:
            return connect(settings, self.deadline)
        except ConnectorError:
            raise
        except OSError as error:
            # Ours, from before anything was said.
            reason = error.strerror or str(error)
            raise UnreachableError(f"Nothing answers at {where}. Check host, port and firewall. ({reason})") from None
        except (pymysql.err.OperationalError, pymysql.err.ProgrammingError) as error:
            raise self._refusal(error, where) from None
        except Exception:
            raise ConnectorError(f"What answers at {where} is no MariaDB and no MySQL. Check host and port.") from None

    def _refusal(self, error, where):
        """Return the error for a server that does not let us in: never its own words, which may repeat the password."""
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

    def _limit_statements(self):
        """Where everything has to end in time, have the server give up first: it would go on with what nobody awaits."""
        if self.deadline is None:
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

    def execute(self, statement, parameters=None):
        """Run a statement and return all its rows as tuples of text."""
        return list(self.rows(statement, parameters))

    def rows(self, statement, parameters=None):
        """Yield rows as tuples of text or None, streamed from the server.

        :raise ConnectorError: when the server refuses or the connection breaks
        """
        pymysql = driver()
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
            # PyMySQL trips over its own closed socket, and over answers that are none, with errors of any kind.
            self._let_go(cursor)
            raise self._explained(error) from None
        except GeneratorExit:
            # Nobody asks for the rest: whoever uses the connection next has to read past it.
            self._unread = cursor
            raise
        except BaseException:
            self._let_go(cursor)
            raise

    @staticmethod
    def _let_go(cursor):
        """Drop a cursor that would read its result to the end, on a closed connection in vain."""
        if cursor and cursor._result:
            cursor._result.unbuffered_active = False
        if cursor:
            cursor.connection = None

    def _explained(self, error):
        """Return a driver's error as one that says in words what it means."""
        settings = self.settings
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        detail = str(error.args[-1]) if error.args else type(error).__name__
        if len(detail) > MAX_DETAIL:
            detail = f"{detail[:MAX_DETAIL]}…"
        text = self._advice(code)
        # Left out rather than blotted out: a password may be a word of any sentence, and no server repeats one.
        if len(settings.password) < TELLING or settings.password not in detail:
            text = f"{text} ({detail})"
        failure = (TooSlowError if code in TOO_SLOW else ConnectorError)(text)
        failure.code, failure.detail = code, detail
        return failure

    def _advice(self, code):
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


def is_local(host):
    """Tell whether a host is this machine, to which nobody else listens."""
    name = (host or "").strip().strip("[]").lower()
    if not name or name == "localhost" or name.startswith("/"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
