"""What the PDF engine may fetch while it makes a document: nothing but our own pictures and styles.

It runs on the server, so a picture or style that it fetches is a request from inside the network, in the name of whoever
prints. Plain functions.
"""

import base64
import binascii
import re
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import lxml.etree
import lxml.html

# Paths of Odoo's own that give pictures, fonts and styles, and change nothing.
OWN_PATH = re.compile(
    r"/(?:web/(?:image|content|assets|binary/company_logo|static)|logo(?:\.png)?|report/barcode|[a-z0-9_]+/static)(?:[/?]|$)"
)
# What loads, runs or moves something by itself.
DROPPED = frozenset(
    ("script", "iframe", "frame", "frameset", "object", "embed", "applet", "link", "base", "meta", "audio", "video",
     "source", "track", "param", "portal", "animate", "animatetransform", "animatemotion", "set", "handler", "noscript",
     "template", "feimage", "isindex", "bgsound", "layer", "ilayer", "xml")
)  # fmt: skip
SOURCES = frozenset(
    ("src", "href", "xlink:href", "data", "poster", "background", "lowsrc", "dynsrc", "code", "codebase", "archive",
     "classid", "profile", "manifest", "longdesc", "usemap", "ping")
)  # fmt: skip
# Texts that nobody takes for a style.
TEXTS = frozenset(("alt", "title", "class", "id", "name", "value", "placeholder", "aria-label", "lang", "dir"))
PICTURES = ("image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp", "image/bmp")
FONTS = re.compile(r"(?:application/(?:x-)?font-[a-z0-9]+|font/[a-z0-9+]+)$")


def own_sources_only(html, base_urls=()):
    """Return a document without what the PDF engine would fetch from elsewhere.

    Links stay: they are followed by who reads the document, not by the engine.
    :param html: the document, str or UTF-8 bytes
    :param base_urls: addresses under which the database itself is reached
    :return: str
    """
    root = lxml.html.fromstring(html, parser=lxml.html.HTMLParser(encoding="utf-8"))
    for element in list(root.iter()):
        if not isinstance(element.tag, str):
            if isinstance(element, lxml.etree._ProcessingInstruction):
                _drop(element)
            continue
        tag = element.tag.rpartition("}")[2].rpartition(":")[2].lower()
        if tag in DROPPED or (tag == "style" and not _style_is_own(element.text_content(), base_urls)):
            _drop(element)
        else:
            _clean_attributes(element, tag, base_urls)
    return lxml.html.tostring(root, encoding="unicode", doctype="<!DOCTYPE html>" if root.tag == "html" else None)


def loads_from_elsewhere(html):
    """Tell whether a piece of HTML has something that is loaded from elsewhere."""
    if not (html or "").strip():
        return False
    wrapped = f"<div>{html}</div>"
    parsed = lxml.html.fromstring(wrapped, parser=lxml.html.HTMLParser(encoding="utf-8"))
    return own_sources_only(wrapped) != lxml.html.tostring(parsed, encoding="unicode")


def _drop(element):
    """Take an element away and leave the text behind it."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    element.tail = None
    parent.remove(element)


def _clean_attributes(element, tag, base_urls):
    is_link = tag in ("a", "area")
    for name, value in list(element.attrib.items()):
        short = name.rpartition("}")[2].lower()
        if short.startswith("on") or short in ("srcset", "srcdoc", "http-equiv"):
            wrong = True
        elif short in SOURCES or short.rpartition(":")[2] == "href":
            if is_link and short.rpartition(":")[2] == "href":
                wrong = _plain_url(value).partition(":")[0].lower() in ("javascript", "data", "vbscript")
            else:
                wrong = not is_own_source(value, base_urls)
        else:
            wrong = short not in TEXTS and not _style_is_own(value, base_urls)
        if wrong:
            del element.attrib[name]


def _plain_url(url):
    """Return a URL as browsers read it: without the blanks and control characters that they skip."""
    return re.sub(r"[\x00-\x20\x7f\u00a0\u2028\u2029\ufeff]", "", url or "")


def is_own_source(url, base_urls=()):
    """Tell whether a source is in the document itself or one of the database's own pictures, fonts and styles."""
    plain = _plain_url(url)
    if not plain or plain.startswith("#"):
        return True
    if plain[:5].lower() == "data:":
        return _data_is_harmless(plain)
    if plain != (url or "").strip() or "\\" in plain:
        return False
    for base in base_urls:
        if base and plain.startswith(f"{base.rstrip('/')}/"):
            plain = plain[len(base.rstrip("/")) :]
            break
    try:
        parts = urlsplit(plain)
    except ValueError:
        return False
    path = unquote(parts.path)
    if parts.scheme or parts.netloc or plain.startswith("//") or ".." in path or "//" in path or "\\" in path:
        return False
    return bool(OWN_PATH.match(path + ("?" if parts.query else "")))


def _data_is_harmless(url):
    head, comma, body = url[5:].partition(",")
    kind, *options = head.lower().split(";")
    if not comma:
        return False
    if kind in PICTURES or FONTS.match(kind):
        return True
    if kind != "image/svg+xml":
        return False
    try:
        content = base64.b64decode(unquote(body)) if "base64" in options else unquote_to_bytes(body)
        parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        tree = lxml.etree.fromstring(content, parser=parser)
    except (ValueError, binascii.Error, lxml.etree.XMLSyntaxError):
        return False
    return b"<!ENTITY" not in content.upper() and all(_drawing_is_own(element) for element in tree.iter())


def _drawing_is_own(element):
    """Tell whether an element of a drawing is in the drawing itself: its sources are parts of it, or pictures in it."""
    if not isinstance(element.tag, str):
        return element.tag is lxml.etree.Comment
    tag = element.tag.rpartition("}")[2].lower()
    if tag in DROPPED or tag == "foreignobject" or (tag == "style" and not _style_is_own(element.text or "", ())):
        return False
    for name, value in element.attrib.items():
        short = name.rpartition("}")[2].lower()
        if short in SOURCES:
            own = _plain_url(value).lower().startswith(("#", *(f"data:{kind}" for kind in PICTURES)))
        else:
            own = not short.startswith("on") and _style_is_own(value, ())
        if not own:
            return False
    return True


def _style_is_own(style, base_urls):
    """Tell whether a style, or the value of an attribute, loads nothing from elsewhere.

    Escapes and comments are ways to write ``url`` that engines read and people do not.
    """
    plain = re.sub(r"/\*.*?(?:\*/|$)", "", style, flags=re.DOTALL)
    plain = re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda match: _character(match[1]), plain)
    plain = re.sub(r"\\(.)", r"\1", plain, flags=re.DOTALL)
    for text in {style.lower(), plain.lower()}:
        if "@import" in text or "expression(" in text or "-moz-binding" in text or "image-set(" in text:
            return False
        found = re.findall(r"url\s*\(\s*(?:\"([^\"]*)\"|'([^']*)'|([^)\"']*))\s*\)", text)
        if len(found) != len(re.findall(r"url\s*\(", text)):
            return False
        if not all(_style_source_is_own("".join(urls), base_urls) for urls in found):
            return False
    return True


def _style_source_is_own(url, base_urls):
    # In lower case, where what base64 says is lost: its kind has to do, and a picture in a style runs nothing.
    if url.strip().startswith("data:"):
        return url.strip()[5:].partition(",")[0].partition(";")[0] in PICTURES or bool(
            FONTS.match(url.strip()[5:].partition(",")[0].partition(";")[0])
        )
    return is_own_source(url, tuple(base.lower() for base in base_urls))


def _character(digits):
    number = int(digits, 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
