from odoo.http import Controller
from odoo.tests import BaseCase, tagged

OURS = "odoo.addons.astpp_billing."


@tagged("post_install", "-at_install")
class TestControllers(BaseCase):
    def test_methods_on_controllers_of_odoo_have_our_prefix(self):
        """Odoo merges all classes that extend a controller, so common names would clash with other addons' methods."""
        seen = 0
        for cls in self.below(Controller):
            others = [base for base in cls.__mro__ if not base.__module__.startswith(OURS)]
            if not cls.__module__.startswith(OURS) or others[0] is Controller:
                continue
            for name, value in vars(cls).items():
                if not callable(value) or any(hasattr(base, name) for base in others):
                    continue
                seen += 1
                self.assertRegex(name, r"^_?astpp_", f"{cls.__module__}.{cls.__name__}")
        self.assertGreater(seen, 20)

    def below(self, cls):
        for each in cls.__subclasses__():
            yield each
            yield from self.below(each)
