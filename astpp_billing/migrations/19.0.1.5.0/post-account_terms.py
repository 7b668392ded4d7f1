"""Accounts have terms by date: one row each, valid from the beginning, as usage was treated before."""

from odoo import SUPERUSER_ID, api


def migrate(cr, _version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["astpp.account"].with_context(active_test=False).search([])._keep_terms()
