"""What people type into the portal's forms."""


def one_line(text, length=200):
    """Return a form's text without line breaks and control characters.

    They have no place in names, numbers and headers of mails, and some of them none in the database.
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:length].strip()


def number_of(text):
    """Return an amount that was typed, with a point or a comma, or None when it is none."""
    try:
        number = float(str(text).strip().replace(",", "."))
    except ValueError:
        return None
    # Neither infinite nor no number at all.
    return number if abs(number) < 1e12 else None
