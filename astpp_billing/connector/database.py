"""A connection to an ASTPP database: read consistently, streamed, and never written.

PyMySQL is imported on use, so that files and the API work without it.
"""

import contextlib
import ssl
from typing import NamedTuple

FETCH = 5000
# The driver's codes for servers that do not answer, or no longer.
UNREACHABLE = (2002, 2003, 2006, 2013)


class ConnectorError(Exception):
    """Something about the ASTPP database that an administrator can mend; the text says what."""


class UnreachableError(ConnectorError):
    """Nothing answers: what was asked is not at fault, and can be asked again."""


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
    timeout: int = 20
    """seconds to connect, and to wait for the first row"""

    def __repr__(self):
        return f"Settings({self.user}@{self.host}:{self.port}/{self.database})"


class Database:
    """One snapshot of an ASTPP database; a context manager."""

    def __init__(self, settings):
        self.settings = settings
        self.hours = {}
        """{source: slices of its call table}, added up before they are asked for"""
        self._connection = None
        self._unread = None

    def __enter__(self):
        self._connection = self._connect()
        try:
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
        pymysql = driver()
        settings = self.settings
        try:
            return pymysql.connect(
                host=settings.host,
                port=settings.port,
                user=settings.user,
                password=settings.password,
                database=settings.database,
                charset="utf8mb4",
                connect_timeout=settings.timeout,
                read_timeout=max(settings.timeout, 600),
                ssl=_tls(settings),
                # Text as it stands: zero dates and decimals must not pass through Python types.
                conv=dict(pymysql.converters.encoders),
                use_unicode=True,
            )
        except (pymysql.Error, OSError, ssl.SSLError, UnicodeError) as error:
            kind = UnreachableError if error.args and error.args[0] in UNREACHABLE else ConnectorError
            raise kind(self.explain(error)) from None

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
        except (pymysql.Error, OSError, AttributeError, TypeError, IndexError, UnicodeDecodeError) as error:
            # PyMySQL trips over its own closed socket with errors of any kind.
            self._let_go(cursor)
            raise ConnectorError(self.explain(error)) from None
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

    def explain(self, error):
        """Say in words what a driver's error means; never repeats the password."""
        settings = self.settings
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[-1]) if error.args else type(error).__name__
        if settings.password:
            text = text.replace(settings.password, "***")
        where = f"{settings.host}:{settings.port}"
        advice = {
            1044: f"User {settings.user} may not use the database {settings.database}.",
            1045: f"{where} refuses user {settings.user} with this password.",
            1049: f"{where} has no database {settings.database}.",
            1054: "The database lacks a column of ASTPP 6.",
            1142: "The user lacks a privilege.",
            1143: "The user lacks a privilege on a column.",
            1146: "The database lacks a table of ASTPP 6.",
            2003: f"Nothing answers at {where}. Check host, port and firewall.",
            2013: f"The connection to {where} broke off.",
            2006: f"The connection to {where} broke off.",
            2026: "The encrypted connection could not be made.",
        }.get(code, f"The database at {where} could not be read.")
        return f"{advice} ({text})"


def driver():
    """Return PyMySQL, or say how to get it."""
    try:
        import pymysql  # noqa: PLC0415  (needed by those only who connect)
    except ImportError:
        raise ConnectorError(
            "The Python package PyMySQL is not installed on the Odoo server. Install it (pip install PyMySQL, or "
            "apt install python3-pymysql) and restart Odoo. Files and the API work without it."
        ) from None
    return pymysql


def _tls(settings):
    if settings.tls == "off":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise ConnectorError(f"The certificate file {settings.ca_file} cannot be read: {error.strerror}") from None
    if settings.tls == "on":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
