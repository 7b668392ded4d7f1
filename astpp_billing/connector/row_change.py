"""A change as columns of a row of ASTPP's, and how a class declares what its fields are there."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self

# The column by which a row is looked up, where it is not its ID: an order has one counter.
_LOOKUP = {"counters": "package_id"}


class Shown(NamedTuple):
    """A value that is written, for people."""

    table: str
    column: str
    before: str | None = None
    after: str | None = None


class RowChange(NamedTuple):
    """Columns of a row that get new values."""

    table: str
    match: dict[str, Any]
    """what finds the row: {"id": 5}; counters are found by account and order"""
    values: dict[str, Any]
    """{column: value}"""
    expected: dict[str, list] = {}
    """{column: values that it may have now}: with any other one, somebody else decided since"""
    only: dict[str, Any] = {}
    """{column: value}: a row that has another one, or is gone, is left alone; the first row's: so are all others"""

    @property
    def place(self) -> tuple[str, int]:
        """The table, and the value of the column ``lookup`` in it."""
        return self.table, self.match[self.lookup]

    @property
    def lookup(self) -> str:
        """The column by which previews look the row up."""
        return _LOOKUP.get(self.table, "id")

    @property
    def may_be_missing(self) -> bool:
        """Whether it is no error when ASTPP has no such row."""
        return self.table == "counters" or bool(self.only)

    def is_meant(self, found: dict[str, str]) -> bool:
        """Tell whether a row is one that the change is for.

        :param found: {column: text} as it is in ASTPP, {} when there is no such row
        """
        return all(found.get(column) == str(value) for column, value in self.only.items())

    def is_made(self, found: dict[str, str]) -> bool:
        """Tell whether a row has the new values.

        :param found: as for ``is_meant``
        """
        return all(found.get(column) == str(value) for column, value in self.values.items())

    def shown(self, found: dict[str, str]) -> list[Shown]:
        """Return each value that is written beside the one that it replaces.

        :param found: as for ``is_meant``
        """
        return [Shown(self.table, column, found.get(column), str(value)) for column, value in self.values.items()]

    def differences(self, found: dict[str, str]) -> list[Shown]:
        """Return the columns in which a row is not as the change would have it.

        :param found: as for ``is_meant``; columns that it lacks are not compared
        """
        return [each for each in self.shown(found) if each.column in found and each.before != each.after]


class Form(NamedTuple):
    """How a value of Odoo's stands in a column, and back."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


AS_IT_IS = Form(lambda value: value, lambda value: value)


class Cell(NamedTuple):
    """Where a field of a change stands in its ``RowChange``."""

    part: str
    column: str
    form: Form

    def in_row(self, row: RowChange) -> Any:
        """Return the field's value, None for a column that the row does not name."""
        value = getattr(row, self.part).get(self.column)
        return None if value is None else self.form.read(value)


def found_by(column: str) -> Any:
    """Declare a field that says which row is meant; None: not asked for."""
    return field(metadata={"cell": Cell("match", column, AS_IT_IS)})


def written(column: str, form: Form = AS_IT_IS, **options: Any) -> Any:
    """Declare a field that becomes a column's new value; None: the column stays as it is."""
    return field(metadata={"cell": Cell("values", column, form)}, **options)


def replacing(column: str) -> Any:
    """Declare a field that has the values that a column may have now: with any other one the change fails."""
    return field(metadata={"cell": Cell("expected", column, Form(list, tuple))})


def only_where(column: str, form: Form = AS_IT_IS, **options: Any) -> Any:
    """Declare a field that a column has to agree with now: else the change is passed over; None: not asked for."""
    return field(metadata={"cell": Cell("only", column, form)}, **options)


@dataclass(frozen=True, kw_only=True)
class Change:
    """New values for a row of ASTPP's, declared by fields made with the functions above."""

    kind: ClassVar[str]
    """the switch of the server that it is written under: ``write_<kind>``"""
    table: ClassVar[str]
    fixed: ClassVar[dict[str, Any]] = {}
    """{column: value} that are always written"""

    @classmethod
    def _cells(cls, part: str) -> Iterator[tuple[Field, Cell]]:
        for each in fields(cls):
            if (cell := each.metadata["cell"]).part == part:
                yield each, cell

    @classmethod
    def columns(cls) -> list[str]:
        """Return the columns that such changes may write."""
        return [*cls.fixed, *(cell.column for _field, cell in cls._cells("values"))]

    @classmethod
    def fits(cls, row: RowChange) -> bool:
        """Tell whether a row change is one of these: all that they always have, and no column of others'."""
        needed = {
            part: {cell.column for each, cell in cls._cells(part) if each.default is MISSING}
            for part in ("values", "only")
        }
        return (
            row.table == cls.table
            and needed["values"] | cls.fixed.keys() <= row.values.keys() <= {*cls.columns()}
            and needed["only"] <= row.only.keys()
        )

    @classmethod
    def from_row(cls, row: RowChange) -> Self:
        """Return the change that a row change came from."""
        return cls(**{each.name: each.metadata["cell"].in_row(row) for each in fields(cls)})

    def row(self) -> RowChange:
        """Return the change as what is written."""
        row = RowChange(self.table, {}, dict(self.fixed), {}, {})
        for each in fields(self):
            part, column, form = each.metadata["cell"]
            if (value := getattr(self, each.name)) is not None:
                getattr(row, part)[column] = form.write(value)
        return row

    def stored(self) -> dict[str, Any]:
        """Return the change as it waits in ``astpp.outbox``: a ``RowChange`` as a dict, without guards that it lacks."""
        return {part: value for part, value in self.row()._asdict().items() if value or part == "values"}
