"""A file of any length is imported in the same memory."""

SCRIPT = """
import io, resource
from datetime import datetime, timedelta

class Calls(io.RawIOBase):
    '''A CSV file of calls that is made while it is read.'''
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

def peak(first, count):
    usage_import = env["astpp.usage.import"].create({})
    usage_import._import_stream(io.BufferedReader(Calls(first, count)), "calls.csv")
    assert usage_import.added_count == count, usage_import.read()
    env.cr.commit()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

print("PEAK", peak(0, 10000), peak(10000, 300000))
"""


def test_memory_does_not_grow_with_the_file(database):
    out = database.shell(SCRIPT)
    short, long = map(int, out.split("PEAK")[1].split()[:2])
    assert long - short < 12, f"10,000 lines: {short} MB, 300,000 lines: {long} MB"
    assert database.query("SELECT count(*) FROM astpp_usage") == [(310000,)]
