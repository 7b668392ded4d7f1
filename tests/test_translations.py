"""The translation template is up to date, and each language is complete."""

import re
import subprocess

import polib
import pytest

from conftest import ROOT, environment

I18N = ROOT / "astpp_billing/i18n"
LANGUAGES = ("es", "fr", "de", "pt_BR", "it", "hi")
# Parts that translations must keep: placeholders, tags, expressions.
KEPT = re.compile(r"%\(\w+\)[\d.]*\w|%[\d.]*[sdf]|\{\{.*?\}\}|</?\w[^>]*>")


def test_template_is_up_to_date(database, tmp_path):
    """If this fails, dev/pot updates the template."""
    current = tmp_path / "current.pot"
    subprocess.run(
        [ROOT / "dev/odoo", "i18n", "export", "-d", database.name, "--languages", "pot", "--output", current, "astpp_billing"],
        env=environment(), cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    wanted = {entry.msgid for entry in polib.pofile(str(current))}
    known = {entry.msgid for entry in polib.pofile(str(I18N / "astpp_billing.pot"))}
    assert known == wanted, "run dev/pot, and translate what is new"


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_is_complete(language):
    template = {entry.msgid for entry in polib.pofile(str(I18N / "astpp_billing.pot"))}
    catalogue = polib.pofile(str(I18N / f"{language}.po"))
    assert {entry.msgid for entry in catalogue} == template
    assert not [entry.msgid for entry in catalogue if not entry.translated() or entry.fuzzy]
    for entry in catalogue:
        assert sorted(KEPT.findall(entry.msgstr)) == sorted(KEPT.findall(entry.msgid)), entry.msgid


def test_languages_can_be_loaded(database):
    """Odoo loads every file, and labels and mails are translated."""
    out = database.shell(f"""
for code in {[language if "_" in language else {"es": "es_ES", "fr": "fr_FR", "de": "de_DE", "it": "it_IT", "hi": "hi_IN"}[language] for language in LANGUAGES]!r}:
    env["res.lang"]._activate_lang(code)
    env["ir.module.module"].search([("name", "=", "astpp_billing")])._update_translations([code])
    field = env["ir.model.fields"]._get("astpp.account", "unbilled_amount").with_context(lang=code)
    template = env.ref("astpp_billing.mail_template_invoice").with_context(lang=code)
    print("TRANSLATED", code, field.field_description, "|", template.body_html != template.with_context(lang="en_US").body_html)
""")
    lines = [line for line in out.splitlines() if line.startswith("TRANSLATED")]
    assert len(lines) == len(LANGUAGES)
    for line in lines:
        assert "Unbilled" not in line, line
        assert line.endswith("True"), line
