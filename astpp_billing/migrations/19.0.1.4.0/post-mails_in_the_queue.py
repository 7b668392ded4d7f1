def migrate(cr, version):
    """Mails that wait or failed keep their message, from which their notices learn what becomes of them.

    Those that were gone before were taken for sent, and stay so.
    """
    cr.execute("UPDATE astpp_notice SET state = 'sent' WHERE state = 'queued' AND mail_id IS NULL")
    cr.execute(
        """
        UPDATE astpp_notice n SET mail_message_id = m.mail_message_id FROM mail_mail m
         WHERE m.id = n.mail_id AND n.state IN ('queued', 'failed')
        """
    )
    cr.execute(
        """
        UPDATE mail_mail m SET is_notification = TRUE FROM astpp_notice n
         WHERE m.id = n.mail_id AND n.mail_message_id IS NOT NULL
        """
    )
    cr.execute(
        """
        UPDATE mail_message m SET is_internal = TRUE FROM astpp_notice n WHERE m.id = n.mail_message_id
        """
    )
    cr.execute(
        """
        INSERT INTO mail_notification
               (mail_message_id, mail_mail_id, res_partner_id, notification_type, notification_status, is_read, read_date)
        SELECT n.mail_message_id, n.mail_id, r.res_partner_id, 'email', 'ready', TRUE, now() AT TIME ZONE 'UTC'
          FROM astpp_notice n JOIN mail_mail_res_partner_rel r ON r.mail_mail_id = n.mail_id
         WHERE n.mail_message_id IS NOT NULL
            ON CONFLICT DO NOTHING
        """
    )
