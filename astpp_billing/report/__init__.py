from . import charges_report
