import ast
import re
from pathlib import Path

from odoo.tests import BaseCase, tagged

ADDON = Path(__file__).parents[1]
# Exempt: the ledger itself, migrations, and tests, which look behind the door.
INSIDE = ("models/ledger/", "migrations/", "tests/")
STATE_COLUMNS = ("move_line_id", "exception", "prepaid")
NAMES_STATE = re.compile(rf"\b({'|'.join(STATE_COLUMNS)})\b")
WRITES = re.compile(
    r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO|COPY)\s+(ONLY\s+)?\"?astpp_usage\b", re.I
)
SQL_WORDS = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|JOIN|WHERE|AND|IS|NULL|FILTER|SET)\b")
SQL_CALLS = {"SQL", "Index", "UniqueIndex", "Constraint", "execute", "execute_values", "execute_query"}


def docstrings(tree):
    """Return the nodes of all docstrings, including those of attributes."""
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    statements = [statement for body in bodies for statement in body if isinstance(statement, ast.Expr)]
    return {statement.value for statement in statements if isinstance(statement.value, ast.Constant)}


def sql_texts(tree):
    """Yield the nodes of strings that are SQL: they contain its keywords, or are passed to functions that take SQL."""
    prose, handed = docstrings(tree), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in SQL_CALLS:
            handed |= {part for argument in node.args for part in ast.walk(argument)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose
        if is_text and (node in handed or SQL_WORDS.search(node.value)):
            yield node


def breaches(source):
    """Return [(line, what)] of the places where a file bypasses the ledger's door."""
    tree, found = ast.parse(source), []
    for node in sql_texts(tree):
        # Quoted values are no columns: payment_mode = 'prepaid'.
        text = re.sub(r"'[^']*'", "''", node.value)
        if WRITES.search(text):
            found.append((node.lineno, "writes astpp_usage"))
        found += [(node.lineno, f"names {name} in SQL") for name in NAMES_STATE.findall(text)]
    for node in ast.walk(tree):
        first = node.elts[0] if isinstance(node, ast.Tuple) and len(node.elts) == 3 else None
        if isinstance(first, ast.Constant) and first.value in STATE_COLUMNS:
            found.append((node.lineno, f"names {first.value} in a domain"))
    return found


@tagged("post_install", "-at_install")
class TestLedgerDoor(BaseCase):
    """Only the ledger writes usage in SQL, or defines what makes usage billed, held or prepaid."""

    def test_only_the_ledger_writes_usage_in_sql(self):
        files = [
            path for path in sorted(ADDON.rglob("*.py")) if not path.relative_to(ADDON).as_posix().startswith(INSIDE)
        ]
        self.assertGreater(len(files), 100)
        found = [
            f"{path.relative_to(ADDON)}:{line} {what}" for path in files for line, what in breaches(path.read_text())
        ]
        self.assertFalse(found, "use the verbs of models/ledger and its usage_state")

    def test_each_state_is_defined_once(self):
        """Even the ledger defines only once what unbilled means."""
        spelled = [
            path.name
            for path in sorted((ADDON / "models").rglob("*.py"))
            if re.search(r"move_line_id IS NULL AND (\w\.)?exception IS NULL", path.read_text())
        ]
        self.assertFalse(spelled)

    def test_breaches_are_found(self):
        for source, what in (
            ('cr.execute("UPDATE astpp_usage SET date = NULL")', "writes astpp_usage"),
            ('SQL("insert into astpp_usage (id) values (1)")', "writes astpp_usage"),
            ('query = f"SELECT 1 FROM {table} u WHERE u.exception IS NULL"', "names exception in SQL"),
            ('SQL("u.prepaid")', "names prepaid in SQL"),
            ('models.Index("(id) WHERE move_line_id IS NULL")', "names move_line_id in SQL"),
            ('usage.search([("prepaid", "!=", True)])', "names prepaid in a domain"),
        ):
            with self.subTest(source):
                self.assertEqual([found for _line, found in breaches(source)], [what])

    def test_harmless_code_is_no_breach(self):
        for source in (
            "def f():\n    '''UPDATE astpp_usage WHERE exception IS NULL'''",
            "SQL(\"SELECT 1 FROM astpp_account WHERE payment_mode = 'prepaid'\")",
            'fields.Char(help="Lines with an exception are billed once released.")',
            'SQL("SELECT sum(amount) FROM astpp_usage WHERE account_id = 1")',
        ):
            with self.subTest(source):
                self.assertEqual(breaches(source), [])
