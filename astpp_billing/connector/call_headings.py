"""The first line of a file of calls: what its columns are, in ASTPP's own words and languages."""

import re
import unicodedata
from collections import defaultdict
from typing import NamedTuple

from .call_record import FIELDS

# Headings of ASTPP's CDR reports and the table columns that they show. ASTPP translates its headings: these are the
# words of its language add-ons, bad ones included ("Rendez-vous amoureux" is a date), and those that an operator puts
# in their place.
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
# Several times as many as ASTPP's tables have.
MAX_COLUMNS = 200
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")


class FileError(ValueError):
    """A file that cannot be read at all; its text says why."""


class Headings(NamedTuple):
    """What the first line says of the lines below it."""

    columns: list
    """ASTPP's column names; "#" and the position for those of no use"""
    source: str
    """cdr, reseller_cdr or import: which table it is, or a report"""
    currencies: frozenset
    """what stands in brackets behind amounts, as in ``Debit(EUR)``: in which currency ASTPP wrote them"""
    encoding: str | None = None
    """how the text was read; None for a workbook"""


def headings_of(cells):
    """Return the ``Headings`` of a file's first line.

    :raise FileError: when columns that a call needs are missing, or stand there twice
    """
    if len(cells) > MAX_COLUMNS:
        raise FileError(f"the first line has {len(cells)} columns, and at most {MAX_COLUMNS} are read")
    texts = [_BRACKETS.sub("", cell) for cell in cells]
    names = [_folded(text) for text in texts]
    is_table = "callstart" in names
    columns = names if is_table else [_REPORT_COLUMNS.get(name.replace("_", "")) for name in names]
    if not is_table and "billseconds" not in columns:
        # What is billed is billsec: where a file has both, the duration counts the ringing as well.
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
    # reseller_cdrs has no sip_user and no type; its rows are other rows than those of cdrs.
    is_reseller = is_table and "reseller_code" in columns and not {"sip_user", "type"} & set(columns)
    found = [_BRACKETS.search(cell) for name, cell in zip(columns, cells, strict=True) if name in AMOUNTS]
    return Headings(
        [name if name in FIELDS else f"#{place}" for place, name in enumerate(columns)],
        "import" if not is_table else "reseller_cdr" if is_reseller else "cdr",
        frozenset(match[1].strip() for match in found if match and match[1].strip()),
    )


def _refuse_doubles(columns, cells):
    """Two columns for one thing: which of them is meant cannot be known."""
    places = defaultdict(list)
    for name, cell in zip(columns, cells, strict=True):
        if name in FIELDS:
            places[name].append(cell.strip())
    doubles = [" / ".join(found) for found in places.values() if len(found) > 1]
    if doubles:
        raise FileError(f"several columns say the same: {', '.join(doubles)}. Leave only the one that is meant")


def _folded(heading):
    """Return a heading's letters and digits, without case and accents: "Número llamado" is numerollamado."""
    return re.sub(r"[^a-z0-9_]", "", unicodedata.normalize("NFKD", heading).casefold())


_REPORT_COLUMNS = {_folded(heading): name for name, headings in REPORT_HEADINGS.items() for heading in headings}
