"""The shape of the code: rooms in their order, and a map of them that is true."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from odoo.tests.common import BaseCase, TransactionCase, tagged

ADDON = Path(__file__).parents[1]
MODELS = ADDON / "models"
PACKAGE = "odoo.addons.astpp_billing.models."


def imported(path):
    """Return the names imported by ``from . import name``, in order."""
    return [
        alias.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and not node.module
        for alias in node.names
    ]


ROOMS = [name for name in imported(MODELS / "__init__.py") if (MODELS / name).is_dir()]


def definitions(path):
    """Yield (model, name) of each field and method that a file's classes define."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        values = {
            target.id: statement.value
            for statement in node.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        model = values.get("_name") or values.get("_inherit")
        if not isinstance(model, ast.Constant):
            continue
        methods = [statement.name for statement in node.body if isinstance(statement, ast.FunctionDef)]
        for name in [*values, *methods]:
            if name not in ("_name", "_inherit", "_description"):
                yield model.value, name


@tagged("at_install", "-post_install")
class TestRooms(BaseCase):
    def test_each_folder_is_a_room(self):
        folders = {path.parent.name for path in MODELS.glob("*/*.py")}
        self.assertEqual(set(ROOMS), folders)

    def test_each_file_of_a_room_is_imported_in_alphabetical_order(self):
        for room in ROOMS:
            names = imported(MODELS / room / "__init__.py")
            self.assertEqual(names, sorted(names), room)
            of_models = {
                path.stem for path in (MODELS / room).glob("*.py") if any(definitions(path)) or path.stem in names
            }
            self.assertEqual(set(names), of_models, room)

    def test_rooms_import_earlier_rooms_only(self):
        for position, room in enumerate(ROOMS):
            for path in (MODELS / room).glob("*.py"):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.ImportFrom) and node.level == 2:
                        target = (node.module or node.names[0].name).split(".")[0]
                        if target in ROOMS:
                            self.assertLess(ROOMS.index(target), position, f"{path} imports {target}")

    def test_order_inside_a_room_means_nothing(self):
        """No two files of a room define the same method or field of a model, so import order does not matter."""
        found = defaultdict(list)
        for room in ROOMS:
            for path in (MODELS / room).glob("*.py"):
                for model, name in definitions(path):
                    found[room, model, name].append(path.name)
        self.assertFalse({where: files for where, files in found.items() if len(files) > 1})

    def test_pure_modules_know_no_orm(self):
        for path in [*ADDON.glob("*.py"), *(ADDON / "connector").glob("*.py")]:
            if path.stem in ("__init__", "__manifest__"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                for name in names:
                    # SQL composition and user-facing exceptions need no database.
                    self.assertNotIn(name, ("odoo.models", "odoo.fields", "odoo.api"), path)
                if isinstance(node, ast.ImportFrom) and node.module == "odoo":
                    self.assertFalse({alias.name for alias in node.names} & {"models", "fields", "api"}, path)


@tagged("post_install", "-at_install")
class TestOverrides(TransactionCase):
    def test_later_rooms_are_around_earlier_ones(self):
        """Guards are the outermost classes of each model, then write-back, and so on down to the defining room."""
        ours = 0
        for model in self.registry.values():
            rooms = [
                ROOMS.index(room)
                for cls in model.__mro__
                if (room := cls.__module__.removeprefix(PACKAGE).split(".")[0]) in ROOMS
                and cls.__module__.startswith(PACKAGE)
            ]
            ours += bool(rooms)
            self.assertEqual(rooms, sorted(rooms, reverse=True), model._name)
        self.assertGreater(ours, 30)


@tagged("at_install", "-post_install")
class TestMap(BaseCase):
    """docs/architecture.md lists every file where it is; the addon from the Apps store comes without this map."""

    def test_map_of_rooms(self):
        document = ADDON.parent / "docs/architecture.md"
        if not document.exists():
            self.skipTest("the addon without its project")
        listed, folder = set(), None
        for line in document.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"### `astpp_billing/([\w/]*)`", line):
                folder = found[1]
            elif line.startswith("#"):
                folder = None
            elif folder is not None and (found := re.match(r"\| ((?:`[\w.]+`(?:, )?)+) \|", line)):
                names = re.findall(r"`([\w.]+)`", found[1])
                self.assertFalse(listed & {folder + name for name in names}, "listed twice")
                listed |= {folder + name for name in names}
        folders = ("", "connector/", "controllers/", "wizards/", "report/", "models/", *(f"models/{r}/" for r in ROOMS))
        there = {
            folder + path.name
            for folder in folders
            for path in (ADDON / folder).glob("*.py")
            if path.name not in ("__init__.py", "__manifest__.py")
        }
        self.assertEqual(listed, there)
