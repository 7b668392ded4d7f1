from odoo.tests import TransactionCase, tagged
from odoo.tools.safe_eval import safe_eval

from ..charge_types import (
    CALL_WORDS,
    CALLS,
    CHARGE_TYPES,
    CHARGE_WORDS,
    CONSUMPTION,
    FEES,
    FUNDS,
    RENEWALS,
    SELECTION,
    SOLD,
)


@tagged("post_install", "-at_install")
class TestChargeTypes(TransactionCase):
    """Everything that is derived from the table of charge types."""

    def test_types_are_unique(self):
        names = [each.name for each in CHARGE_TYPES]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual([name for name, _label in SELECTION], names)

    def test_astpps_words_are_unambiguous(self):
        for kinds in (("call",), ("sale", "charge", "credit", "funds")):
            words = [word for each in CHARGE_TYPES if each.kind in kinds for word in each.words]
            self.assertEqual(len(set(words)), len(words))
        self.assertEqual((CALL_WORDS["DID"], CHARGE_WORDS["DID"]), ("did", "did_fee"))
        self.assertEqual(CHARGE_WORDS[""], "charge")

    def test_kinds(self):
        self.assertEqual(SOLD, ("package", "subscription", "did_fee", "setup"))
        self.assertEqual(FUNDS, ("topup", "voucher", "transfer"))
        self.assertEqual(CONSUMPTION, (*CALLS, *FEES))
        self.assertEqual(RENEWALS, {"package": "package", "subscription": "subscription", "did": "did_fee"})

    def test_renewing_products_exist(self):
        types = dict(self.env["product.template"]._fields["astpp_type"].selection)
        self.assertLessEqual(RENEWALS.keys(), types.keys())

    def test_filters_of_the_history(self):
        view = self.env.ref("astpp_billing.astpp_usage_view_history_search")
        arch = self.env["ir.ui.view"].browse(view.id)._get_combined_arch()
        for name, types in (("calls", CALLS), ("fees", FEES)):
            [domain] = arch.xpath(f"//filter[@name='{name}']/@domain")
            self.assertEqual(safe_eval(domain), [("charge_type", "in", types)])
