"""The group *Usage feed* made internal users of those who are in nothing else."""

import logging

from odoo import SUPERUSER_ID, Command, api

_logger = logging.getLogger(__name__)


def migrate(cr, _version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    feed = env.ref("astpp_billing.group_usage_feed", raise_if_not_found=False)
    if not feed:
        return
    internal = env.ref("base.group_user")
    feed.write({"implied_ids": [Command.unlink(internal.id)]})
    users = env["res.users"].with_context(active_test=False).search([("group_ids", "in", feed.ids)])
    nothing_else = internal.all_implied_ids | feed
    feeds = users.filtered(lambda user: user.group_ids <= nothing_else)
    feeds.write({"group_ids": [Command.set(feed.ids)]})
    # Whoever has other rights is a person, and stays the internal user that this group made of him.
    people = users - feeds
    people.filtered(lambda user: internal not in user.group_ids.all_implied_ids).write(
        {"group_ids": [Command.link(internal.id)]}
    )
    _logger.info("Users who feed usage, and are no internal users any more: %s", feeds.mapped("login"))
    _logger.info("Users who feed usage, and stay internal users: %s", people.mapped("login"))
