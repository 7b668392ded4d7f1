"""Imports need constant memory, and time linear in the length of the file."""

from contextlib import contextmanager

from conftest import Database

SCRIPT = """
import io, resource
from datetime import datetime, timedelta

class Calls(io.RawIOBase):
    '''A CSV file of calls that is generated while it is read.'''
    def __init__(self, first, count):
        self.first, self.count = first, count
        self.seek(0)
    def readable(self): return True
    def seekable(self): return True
    def seek(self, position, whence=0):
        self.lines = self.make()
        self.rest = b""
        return 0
    def make(self):
        yield b"uniqueid,accountid,callednum,billseconds,callstart,debit,call_direction,calltype,notes\\n"
        start = datetime(2024, 1, 1)
        for n in range(self.first, self.first + self.count):
            at = start + timedelta(seconds=n)
            yield f"memory-test-call-{n:012d},77,44201{n:07d},60,{at},0.1,outbound,STANDARD,United Kingdom\\n".encode()
    def readinto(self, buffer):
        while len(self.rest) < len(buffer):
            line = next(self.lines, None)
            if line is None: break
            self.rest += line
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size

def load(first, count):
    usage_import = env["astpp.usage.import"].create({})
    usage_import._import_stream(io.BufferedReader(Calls(first, count)), "calls.csv")
    assert (usage_import.added_count, usage_import.exception_count) == (count, 0), usage_import.read()
    env.cr.commit()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

partner = env["res.partner"].create({"name": "Caller"})
env["astpp.account"].create({"number": "A77", "astpp_id": 77, "partner_id": partner.id})
"""


@contextmanager
def fresh_database():
    """Yield a copy of the database with an empty ledger that was never analyzed."""
    scratch = Database("astpp_first_import", "astpp_addon")
    try:
        [(rows,)] = scratch.query("SELECT reltuples FROM pg_class WHERE relname = 'astpp_usage'")
        assert rows <= 0
        yield scratch
    finally:
        scratch.drop()


def test_memory_does_not_grow_with_the_file():
    with fresh_database() as database:
        out = database.shell(SCRIPT + 'print("PEAK", load(0, 10000), load(10000, 300000))')
        assert database.query("SELECT count(*) FROM astpp_usage") == [(310000,)]
    short, long = map(int, out.split("PEAK")[1].split()[:2])
    assert long - short < 12, f"10,000 lines: {short} MB, 300,000 lines: {long} MB"


def test_first_import_is_linear():
    """Even into an empty ledger without statistics; pages are counted, because seconds depend on the machine."""
    few, many = pages_a_line(10_000), pages_a_line(40_000)
    assert many < 1.5 * few, f"pages of the ledger a line: {few:.0f} for 10,000 lines, {many:.0f} for 40,000"


def pages_a_line(count):
    with fresh_database() as database:
        database.shell(SCRIPT + f"load(0, {count})")
        # PostgreSQL has published the statistics of the shell's session, because it has ended.
        [(pages,)] = database.query(
            "SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read) FROM pg_statio_user_tables"
            " WHERE relname = 'astpp_usage'"
        )
    return pages / count
