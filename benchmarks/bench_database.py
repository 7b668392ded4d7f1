"""Databases and Odoo shells shared by the benchmarks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def socket(cluster):
    return subprocess.check_output([ROOT / "dev/postgres", "socket", cluster], text=True).strip()


def start():
    subprocess.run([ROOT / "dev/postgres", "start", "bench"], check=True)


def remove():
    subprocess.run([ROOT / "dev/postgres", "remove", "bench"], check=True)


def restore(name, template):
    """Create a database in the benchmarks' cluster from one of the tests' databases."""
    _create(name, f" && pg_dump -h {socket('test')} -U odoo {template} | {_psql()} {name} >/dev/null")


def copy(name, template):
    """Copy a database within the benchmarks' cluster."""
    _create(name, options=f" TEMPLATE {template}")


def _psql():
    return f"psql -q -h {socket('bench')} -U odoo"


def _create(name, fill="", options=""):
    drop = f"-c 'DROP DATABASE IF EXISTS {name} WITH (FORCE)'"
    command = f"{_psql()} postgres {drop} -c 'CREATE DATABASE {name}{options}'{fill} && {_psql()} {name} -c ANALYZE"
    subprocess.run(command, shell=True, check=True)


def start_shell(database, script, addons=(), **variables):
    """Start Odoo's shell with a script.

    :param addons: paths of addons instead of this version's
    """
    paths = ["--addons-path", ",".join(map(str, addons))] if addons else []
    process = subprocess.Popen(
        [ROOT / "dev/odoo", "shell", "-d", database, "--no-http", "--log-level", "error", *paths], text=True, cwd=ROOT,
        env={**os.environ, **variables}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(f"exec(compile({script!r}, 'script', 'exec'))\n")
    process.stdin.close()
    process.stdin = None
    return process


def shell(database, script, addons=(), **variables):
    """Run a script in Odoo's shell and return its output; see ``start_shell``."""
    out, err = start_shell(database, script, addons, **variables).communicate()
    if "Traceback" in err:
        sys.exit(err)
    return out


def figure(out, name):
    """Return the number that a script's output shows after a name."""
    return float(out.split(f"{name} ")[1].split()[0])


def version_before(commit, database):
    """Make a database with the addon as it was in a commit, and return the paths of its addons.

    :param commit: as ``git archive`` takes it
    """
    folder = ROOT / ".local/bench-before"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.check_output(["git", "archive", commit, "astpp_billing"], cwd=ROOT)
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    addons = (Path(os.environ["PYTHONPATH"].split(":")[0]) / "odoo/addons", folder)
    restore(database, "astpp_base")
    command = [ROOT / "dev/odoo", "-d", database, "-i", "astpp_billing", "--stop-after-init", "--log-level", "error"]
    subprocess.run([*command, "--addons-path", ",".join(map(str, addons))], check=True, cwd=ROOT)
    return addons
