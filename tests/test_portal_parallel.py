"""A customer's browser sends a form several times at once, to a real server."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from conftest import serving

SET_UP = """
from odoo.tests.common import new_test_user

server = env.ref("astpp_billing.astpp_server_main")
product = env["product.product"].create({
    "name": "Package", "type": "service", "astpp_type": "package", "list_price": 30, "taxes_id": [],
    "astpp_recurring": True, "astpp_can_purchase": True,
})
for number in range(3):
    login = f"buyer{number}"
    user = new_test_user(env, login=login, password=login * 2, groups="base.group_portal", email=f"{login}@example.com")
    env["astpp.account"].create({
        "server_id": server.id, "number": login, "partner_id": user.partner_id.id, "tz": "UTC",
        "payment_mode": "prepaid", "billed_until": "2024-01-01 00:00:00", "available_funds": 100,
    })
env.cr.commit()
"""
TIMES = 6
ORDERED = """
    SELECT (SELECT count(*) FROM astpp_subscription s WHERE s.account_id = a.id),
           (SELECT count(*) FROM sale_order o WHERE o.astpp_account_id = a.id),
           (SELECT count(*) FROM astpp_topup t WHERE t.account_id = a.id)
      FROM astpp_account a WHERE a.number = %s
"""


@pytest.fixture(scope="module")
def base(database):
    """The URL of a running server with the database."""
    database.shell(SET_UP)
    with serving(database, "--max-cron-threads", "0") as (url, _process):
        yield url


def post_at_once(base, login, action, values, same_page=True):
    """Post a form of /my/services several times at once; return the set of HTTP statuses.

    :param same_page: repeat the form of one page, with one token, instead of sending those of several pages
    """
    session = requests.Session()
    token = re.search(r'name="csrf_token" value="([^"]+)"', session.get(f"{base}/web/login", timeout=60).text)[1]
    form = {"login": login, "password": login * 2, "csrf_token": token}
    session.post(f"{base}/web/login", data=form, timeout=60)
    page = session.get(f"{base}/my/services", timeout=60).text
    part = page[page.index(f'action="{action}"') :].partition("</form>")[0]
    form = values | dict(re.findall(r'name="(once|csrf_token|account_id)" value="([^"]*)"', part))
    form |= {"product_id": chosen[1]} if (chosen := re.search(r'<option value="(\d+)"', part)) else {}
    forms = [form if same_page else form | {"once": f"{number:032x}"} for number in range(TIMES)]

    def send(form):
        answer = requests.post(
            f"{base}{action}", data=form, cookies=session.cookies, allow_redirects=False, timeout=300
        )
        return answer.status_code

    with ThreadPoolExecutor(TIMES) as pool:
        return set(pool.map(send, forms))


def test_repeated_form_makes_one_order(database, base):
    assert post_at_once(base, "buyer0", "/my/services/order", {"quantity": "1"}) == {303}
    assert database.query(ORDERED, "buyer0") == [(1, 1, 0)]


def test_repeated_form_makes_one_top_up(database, base):
    assert post_at_once(base, "buyer1", "/my/topup", {"amount": "5"}) == {303}
    assert database.query(ORDERED, "buyer1") == [(0, 0, 1)]


def test_simultaneous_orders_share_the_funds(database, base):
    """Of six orders for 30 each, from six pages, funds of 100 cover three."""
    answers = post_at_once(base, "buyer2", "/my/services/order", {"quantity": "1"}, same_page=False)
    assert database.query(ORDERED, "buyer2") == [(3, 3, 0)]
    assert answers == {303}
