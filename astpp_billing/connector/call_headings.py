"""The first line of a file of calls: which columns it has, in the words of ASTPP's tables and translated reports."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .call_record import FIELDS

# {table column: headings of ASTPP's CDR reports that show it}. ASTPP translates its headings: these are the words of
# its language add-ons, mistranslations included ("Rendez-vous amoureux" stands for a date), and those that operators
# replace them by.
REPORT_HEADINGS = {
    "callstart": (
        *("Date", "Call Date", "Fecha", "Fecha de llamada", "Rendez-vous amoureux", "Date d'appel", "Datum"),
        *("Anrufdatum", "Data", "Data de Chamada", "Data da Chamada", "Data della chiamata"),
    ),
    "callerid": (
        *("Caller ID", "Identificador de llamadas", "Identificador de llamada", "Identification de l'appelant"),
        *("Numéro de l'appelant", "Anruferidentifikation", "Anrufer-ID", "Identificador de chamadas"),
        *("Identificador de chamada", "ID chiamante"),
    ),
    "callednum": (
        *("Called Number", "Número de llamada", "Número llamado", "Numéro appelé", "Angerufene Nummer"),
        *("Gerufene Nummer", "Número Chamado", "Numero chiamato"),
    ),
    "pattern": ("Code", "Código", "Codice"),
    "notes": ("Destination", "Destino", "Ziel", "Destinazione"),
    "billseconds": ("Bill Seconds", "Billsec", "Billed Seconds"),
    "duration": ("Duration", "Duración", "Durée", "Dauer", "Duração", "Durata"),
    "debit": ("Debit", "Débito", "Débit", "Lastschrift", "Belastung", "Addebito"),
    "cost": ("Cost", "Costo", "Coste", "Coût", "Kosten", "Custo"),
    "disposition": ("Disposition", "Disposición", "Anordnung", "Disposição", "Disposizione"),
    "account_number": (
        *("Account", "Account Number", "Cuenta", "Número de cuenta", "Compte", "Numéro de compte", "Konto"),
        *("Kontonummer", "Conta", "Número da conta", "Conto", "Numero di conto"),
    ),
    "calltype": (
        *("Call Type", "Tipo de llamada", "Type d'appel", "Anrufart", "Anruftyp", "Tipo de Chamada"),
        "Tipo di chiamata",
    ),
    "call_direction": ("Direction", "Call Direction", "Dirección", "Richtung", "Direção", "Direzione"),
    "uniqueid": ("Unique ID", "Uniqueid"),
}
NEEDED = {
    "callstart": "callstart (or Date)",
    "billseconds": "billseconds (or Duration)",
    "debit": "debit",
}
AMOUNTS = ("debit", "cost")
# ASTPP's tables have far fewer.
MAX_COLUMNS = 200
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")


class FileError(ValueError):
    """A file that cannot be read at all; the text says why."""


class Headings(NamedTuple):
    """What the first line says of the lines below it."""

    columns: list[str]
    """ASTPP's column names; "#" and the position for columns that are not used"""
    source: str
    """the table: cdr or reseller_cdr; import for a report"""
    currencies: frozenset[str]
    """in which ASTPP wrote the amounts, from headings such as ``Debit(EUR)``"""
    encoding: str | None = None
    """of the text; None for a workbook"""


# Takes the line number of a bad line, the reason, and the line's text.
ReportError = Callable[[int, str, str], object]
# Takes what the first line says before the others are read; may raise.
Accept = Callable[[Headings], object]


def headings_of(cells: Sequence[str]) -> Headings:
    """Return what a file's first line says.

    :raise FileError: when columns that a call needs are missing, or two columns are the same
    """
    if len(cells) > MAX_COLUMNS:
        raise FileError(f"the first line has {len(cells)} columns, and at most {MAX_COLUMNS} are read")
    texts = [_BRACKETS.sub("", cell) for cell in cells]
    names = [_folded(text) for text in texts]
    is_table = "callstart" in names
    columns = names if is_table else [_REPORT_COLUMNS.get(name.replace("_", ""), "") for name in names]
    if not is_table and "billseconds" not in columns:
        # A duration that stands alone is what is billed; beside bill seconds it would count the ringing as well.
        columns = ["billseconds" if name == "duration" else name for name in columns]
    missing = [text for name, text in NEEDED.items() if name not in columns]
    if not {"accountid", "account_number"} & set(columns):
        missing.append("accountid (or Account)")
    if missing:
        raise FileError(
            f"the first line must name the columns, and these are missing: {', '.join(missing)}. "
            f"It reads: {', '.join(cells)[:200]}"
        )
    _refuse_doubles(columns, cells)
    # reseller_cdrs is told from cdrs by the columns sip_user and type, which it lacks.
    is_reseller = is_table and "reseller_code" in columns and not {"sip_user", "type"} & set(columns)
    found = [_BRACKETS.search(cell) for name, cell in zip(columns, cells, strict=True) if name in AMOUNTS]
    return Headings(
        [name if name in FIELDS else f"#{place}" for place, name in enumerate(columns)],
        "import" if not is_table else "reseller_cdr" if is_reseller else "cdr",
        frozenset(match[1].strip() for match in found if match and match[1].strip()),
    )


def _refuse_doubles(columns: Sequence[str], cells: Sequence[str]) -> None:
    """Refuse a file with two columns for one thing: which of them is meant cannot be known."""
    places = defaultdict(list)
    for name, cell in zip(columns, cells, strict=True):
        if name in FIELDS:
            places[name].append(cell.strip())
    doubles = [" / ".join(found) for found in places.values() if len(found) > 1]
    if doubles:
        raise FileError(f"several columns say the same: {', '.join(doubles)}. Leave only the one that is meant")


def _folded(heading: str) -> str:
    """Return a heading's letters and digits, without case and accents: "Número llamado" is numerollamado."""
    return re.sub(r"[^a-z0-9_]", "", unicodedata.normalize("NFKD", heading).casefold())


_REPORT_COLUMNS = {_folded(heading): name for name, headings in REPORT_HEADINGS.items() for heading in headings}
