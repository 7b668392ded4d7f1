"""Drop or copy a database in the cluster given by PGHOST and PGUSER.

database.py drop NAME
database.py copy SOURCE TARGET
"""

import sys

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from psycopg2.sql import SQL, Identifier


def drop(cursor, name):
    cursor.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def copy(cursor, source, target):
    drop(cursor, target)
    cursor.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(target), Identifier(source)))


connection = psycopg2.connect(dbname="postgres")
connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
{"drop": drop, "copy": copy}[sys.argv[1]](connection.cursor(), *sys.argv[2:])
