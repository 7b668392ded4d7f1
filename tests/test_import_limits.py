"""A large file goes through a server with workers, within the limits of its workers, also when one of them is killed."""

import gzip
import os
import re
import signal
import time
from datetime import datetime, timedelta

import psutil
import pytest
import requests

from conftest import serving

# `make test-faults` has the limits that Odoo comes with, and a million lines.
IS_LONG = "FAULT_ROUNDS" in os.environ
LINES = 1_000_000 if IS_LONG else 200_000
LIMITS = {"cpu": 60, "real": 120} if IS_LONG else {"cpu": 15, "real": 120}
SET_UP = """
from odoo.tests.common import new_test_user

partner = env["res.partner"].create({"name": "Caller"})
env["astpp.account"].create({"number": "A77", "astpp_id": 77, "partner_id": partner.id})
new_test_user(env, login="clerk", password="clerkclerk", groups="base.group_user,account.group_account_invoice")
env["astpp.usage.import"].with_user(env["res.users"].search([("login", "=", "clerk")])).create({})
env.cr.commit()
"""


def calls(count):
    """Yield a file of calls, with a line that cannot be read in each thousand."""
    yield b"uniqueid,accountid,callednum,billseconds,callstart,debit,call_direction,calltype,notes\n"
    start = datetime(2024, 1, 1)
    for n in range(count):
        at = start + timedelta(seconds=n) if n % 1000 else "never"
        yield f"limits-call-{n:012d},77,44201{n:07d},60,{at},0.1,outbound,STANDARD,United Kingdom\n".encode()


@pytest.fixture(scope="module")
def server(database):
    """A server with workers for the database: its URL and its process."""
    database.shell(SET_UP)
    limits = [f"--limit-time-cpu={LIMITS['cpu']}", f"--limit-time-real={LIMITS['real']}"]
    ports = ("--http-port", "--gevent-port")
    with serving(database, "--workers", "1", "--max-cron-threads", "1", *limits, ports=ports) as served:
        yield served


def upload(base, path):
    """Upload the file as the clerk; return the answer and the seconds it took."""
    session = requests.Session()
    token = re.search(r'name="csrf_token" value="([^"]+)"', session.get(f"{base}/web/login", timeout=60).text)[1]
    session.post(
        f"{base}/web/login", data={"login": "clerk", "password": "clerkclerk", "csrf_token": token}, timeout=60
    )
    token = re.search(r'csrf_token: "([^"]+)"', session.get(f"{base}/odoo", timeout=120).text)[1]
    begun = time.monotonic()
    with path.open("rb") as file:
        answer = session.post(
            f"{base}/astpp_billing/usage_import/1", data={"csrf_token": token}, files={"ufile": file}, timeout=120
        )
    return answer.json(), time.monotonic() - begun


def kill_workers(server):
    """Kill all workers of a server, which starts new ones."""
    for worker in psutil.Process(server.pid).children():
        worker.send_signal(signal.SIGKILL)


def test_large_file(database, server, tmp_path):
    base, process = server
    path = tmp_path / "calls.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.writelines(calls(LINES))
    answer, seconds = upload(base, path)
    assert answer == {}
    assert seconds < 30, "the upload returns at once"
    begun = time.monotonic()
    end, killed = time.monotonic() + (900 if IS_LONG else 180), False
    states = []
    while time.monotonic() < end:
        [(state, lines)] = database.query("SELECT state, COALESCE(line_count, 0) FROM astpp_usage_import")
        states.append(state)
        if state not in ("new", "waiting", "running"):
            break
        # The next worker wakes up within a minute, which is too long for the suite.
        if IS_LONG and not killed and lines > LINES / 4:
            kill_workers(process)
            killed = True
        time.sleep(0.2)
    bad = LINES // 1000
    assert database.query(
        "SELECT state, line_count, added_count, rejected_count, known_count FROM astpp_usage_import"
    ) == [("done", LINES, LINES - bad, bad, 0)]
    assert "running" in states, "progress was seen"
    assert database.query(
        "SELECT count(*), count(DISTINCT source_key), (sum(amount) * 10)::bigint FROM astpp_usage"
    ) == [(LINES - bad, LINES - bad, LINES - bad)]
    assert database.query("SELECT count(*) FROM ir_attachment WHERE res_field IN ('file_part', 'rejects_part')") == [
        (0,)
    ]
    print(
        f"{LINES} lines within {LIMITS}: upload {seconds:.1f} s, all {time.monotonic() - begun:.0f} s, killed {killed}"
    )
