"""What the PDF engine may fetch while it makes a document: nothing but our own pictures and styles.

The engine runs on the server, so whatever it fetches is a request from inside the network, with the rights of whoever
prints. Plain functions.
"""

import base64
import binascii
import re
from collections.abc import Collection
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import lxml.etree
import lxml.html

# Paths of Odoo's own that give pictures, fonts and styles, and change nothing.
OWN_PATH = re.compile(
    r"/(?:web/(?:image|content|assets|binary/company_logo|static)|logo(?:\.png)?|report/barcode|[a-z0-9_]+/static)(?:[/?]|$)"
)
# Elements that load, run or animate something by themselves.
DROPPED = frozenset(
    ("script", "iframe", "frame", "frameset", "object", "embed", "applet", "link", "base", "meta", "audio", "video",
     "source", "track", "param", "portal", "animate", "animatetransform", "animatemotion", "set", "handler", "noscript",
     "template", "feimage", "isindex", "bgsound", "layer", "ilayer", "xml")
)  # fmt: skip
# Attributes that hold a URL.
SOURCES = frozenset(
    ("src", "href", "xlink:href", "data", "poster", "background", "lowsrc", "dynsrc", "code", "codebase", "archive",
     "classid", "profile", "manifest", "longdesc", "usemap", "ping")
)  # fmt: skip
# Attributes that no engine takes for a style.
TEXTS = frozenset(("alt", "title", "class", "id", "name", "value", "placeholder", "aria-label", "lang", "dir"))
PICTURES = ("image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp", "image/bmp")
FONTS = re.compile(r"(?:application/(?:x-)?font-[a-z0-9]+|font/[a-z0-9+]+)$")


def own_sources_only(html: str | bytes, base_urls: Collection[str] = ()) -> str:
    """Return a document without what the PDF engine would fetch from elsewhere.

    Links stay: the reader follows them, not the engine.

    :param html: the document as text, or as bytes in UTF-8
    :param base_urls: addresses under which the database itself is reached
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


def loads_from_elsewhere(html: str | None) -> bool:
    """Tell whether a piece of HTML has something that is loaded from elsewhere."""
    if not html or not html.strip():
        return False
    wrapped = f"<div>{html}</div>"
    parsed = lxml.html.fromstring(wrapped, parser=lxml.html.HTMLParser(encoding="utf-8"))
    return own_sources_only(wrapped) != lxml.html.tostring(parsed, encoding="unicode")


def _drop(element: lxml.etree._Element) -> None:
    """Remove an element, but keep the text that follows it."""
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


def _clean_attributes(element: lxml.etree._Element, tag: str, base_urls: Collection[str]) -> None:
    """Remove the attributes by which an element would load or run something."""
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


def _plain_url(url: str | None) -> str:
    """Return a URL as browsers read it: without the blanks and control characters that they skip."""
    return re.sub(r"[\x00-\x20\x7f\u00a0\u2028\u2029\ufeff]", "", url or "")


def is_own_source(url: str | None, base_urls: Collection[str] = ()) -> bool:
    """Tell whether a source is in the document itself, or is one of the database's own pictures, fonts and styles."""
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


def _data_is_harmless(url: str) -> bool:
    """Tell whether a data: URL is a picture or font that loads nothing itself."""
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


def _drawing_is_own(element: lxml.etree._Element) -> bool:
    """Tell whether an element of a drawing (SVG) refers only to parts of the drawing and to pictures inside of it."""
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


def _style_is_own(style: str, base_urls: Collection[str]) -> bool:
    """Tell whether a style, or the value of an attribute, loads nothing from elsewhere.

    Engines also read a ``url`` that is written with escapes and comments, so these are resolved first.
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


def _style_source_is_own(url: str, base_urls: Collection[str]) -> bool:
    """Tell the same of a source in a style, which comes in lower case."""
    if url.strip().startswith("data:"):
        # Lower case has spoiled the base64, so only the kind can be checked; a drawing is none of them.
        kind = url.strip()[5:].partition(",")[0].partition(";")[0]
        return kind in PICTURES or bool(FONTS.match(kind))
    return is_own_source(url, tuple(base.lower() for base in base_urls))


def _character(digits: str) -> str:
    """Return the character that an escape in a style stands for."""
    number = int(digits, 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
