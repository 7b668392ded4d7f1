-- A copy of the database must not read from, nor later write to, a live switch.
UPDATE astpp_server SET sync_enabled = FALSE, sync_state = 'never', password = NULL,
       write_credit = FALSE, write_charge = FALSE, write_payment = FALSE, write_order = FALSE, write_did = FALSE,
       write_account = FALSE, write_invoicing = FALSE;
