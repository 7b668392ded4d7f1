"""What pytest needs to run Odoo's tests on several cores."""

import os
import shutil
from pathlib import Path
from unittest import mock

import pytest

import odoo


@pytest.fixture(scope="session", autouse=True)
def own_filestore(load_registry, tmp_path_factory):
    """Give each worker a copy of the files: what one takes for garbage another one's database still names."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        yield
        return
    shared = Path(odoo.tools.config.filestore("of this worker"))
    own = tmp_path_factory.mktemp("filestore") / "own"
    shutil.copytree(shared, own)
    with mock.patch.object(odoo.tools.config, "filestore", return_value=str(own)):
        yield
    shutil.rmtree(own)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report):
    """Subtests may name records, which only texts of can be sent to the process that reports."""
    data = yield
    if data and (context := data.get("_subtest.context")):
        context["kwargs"] = {name: repr(value) for name, value in context["kwargs"].items()}
        context["msg"] = context["msg"] and str(context["msg"])
    return data
