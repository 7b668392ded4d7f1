from odoo.tests import tagged

from . import test_connector, test_outbox, test_outbox_rows, test_sync, test_sync_meanwhile
from .mariadb import MySql

# The default sql_mode of a MySQL server.
STRICT = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)


@tagged("post_install", "-at_install")
class TestConnectorMySql(test_connector.TestConnector):
    """Run the tests of connection, synchronisation and write-back against MySQL instead of MariaDB."""

    database_server = MySql
    sql_mode = STRICT


@tagged("post_install", "-at_install")
class TestSyncMySql(test_sync.TestSync):
    database_server = MySql
    sql_mode = STRICT


@tagged("post_install", "-at_install")
class TestSyncMeanwhileMySql(test_sync_meanwhile.TestSyncMeanwhile):
    database_server = MySql
    sql_mode = STRICT


@tagged("post_install", "-at_install")
class TestOutboxMySql(test_outbox.TestOutbox):
    database_server = MySql
    sql_mode = STRICT


@tagged("post_install", "-at_install")
class TestOutboxRowsMySql(test_outbox_rows.TestOutboxRows):
    database_server = MySql
    sql_mode = STRICT
