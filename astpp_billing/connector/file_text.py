"""Text files as their owner's spreadsheet wrote them: plain or gzip, in the encoding that the whole file has."""

import codecs
import gzip
import io
import zlib
from contextlib import suppress

from .call_headings import FileError

GZIP_MAGIC = b"\x1f\x8b"
MAX_LINE = 1 << 16
NO_TEXT = "this is no text. Choose a CSV file (plain or .gz) or an XLSX workbook of calls"
# Read at once to find out the encoding, and looked at for one without mark.
BLOCK = 1 << 20
SAMPLE = 4096
# Bytes that Windows-1252 has no character for.
NO_CHARACTER = {chr(0xDC00 + byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
# Bytes that a compressed file may have unpacked. Calls pack five to fifteen times; above a size that harms nobody, more
# than this is no file of calls.
MAX_UNPACKED = 16 << 30
MAX_RATIO = 150
SMALL = 64 << 20
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def open_text(stream):
    """Find out a file's encoding, by reading all of it.

    A line in another encoding than the rest is no reason to take the file for what it is not: its bytes come as
    surrogates, for the reader to refuse.

    :param stream: seekable binary file, plain or gzip
    :return: (encoding, iterator of lines)
    :raise FileError: when the file is damaged, or its text has no encoding that is known here
    """
    try:
        if _head(stream, len(GZIP_MAGIC)) == GZIP_MAGIC:
            stream = _Unpacked(stream)
        encoding = _encoding(stream)
        stream.seek(0)
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(f"the compressed file is damaged: {error}") from error
    return encoding, _lines(stream, encoding)


class _Unpacked(gzip.GzipFile):
    """What a compressed file has in it, up to what a file of calls may have."""

    def __init__(self, stream):
        super().__init__(fileobj=stream, mode="rb")
        self._packed = stream.seek(0, io.SEEK_END)
        stream.seek(0)

    def read(self, size=-1):
        return self._counted(super().read(size))

    def read1(self, size=-1):
        return self._counted(super().read1(size))

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _counted(self, data):
        place = self.tell()
        if place > MAX_UNPACKED or (place > SMALL and place > MAX_RATIO * self._packed):
            raise FileError(
                f"the compressed file holds more than any file of calls of its size ({place >> 20} MB and more)"
            )
        return data


def _head(stream, size):
    head = stream.read(size)
    stream.seek(0)
    return head


def _encoding(stream):
    head = _head(stream, SAMPLE)
    if wide := _MARKS.get(head[:2]) or _unmarked_utf16(head):
        _check(stream, wide)
        return wide
    if b"\0" in head.split(b"\n", 1)[0]:
        # Before the rest of it is read.
        raise FileError(NO_TEXT)
    characters, has_nul = _characters(stream)
    stray = {character for character in characters if "\udc80" <= character <= "\udcff"}
    is_damaged = has_nul or any(character > "\x7f" for character in characters - stray)
    if not stray or is_damaged:
        return "utf-8-sig"
    if stray & NO_CHARACTER:
        raise FileError("its text is neither UTF-8 nor Windows-1252. Save it as CSV UTF-8")
    return "cp1252"


def _unmarked_utf16(head):
    """Return the encoding of text whose every other byte is zero, as that of ASCII characters in UTF-16, or None."""
    first, second = head[0::2], head[1::2]
    many, few = len(second) // 2, len(second) // 20
    if second.count(0) > many and first.count(0) <= few:
        return "utf-16-le"
    if first.count(0) > many and second.count(0) <= few:
        return "utf-16-be"
    return None


def _check(stream, encoding):
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := stream.read(BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise FileError(f"its text is damaged UTF-16 ({error.reason}). Save it as CSV UTF-8") from error


def _characters(stream):
    """Return the characters beyond ASCII that a text has as UTF-8, other bytes as surrogates, and whether it has NULs."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    characters, has_nul, block = set(), False, True
    while block:
        block = stream.read(BLOCK)
        has_nul = has_nul or b"\0" in block
        text = decoder.decode(block, final=not block)
        if not text.isascii():
            characters |= {character for character in set(text) if character > "\x7f"}
    return characters, has_nul


def _lines(stream, encoding):
    """Yield lines as text."""
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    try:
        # A limit on each read: a damaged file may be one endless line.
        while line := text.readline(MAX_LINE):
            yield line
    finally:
        # Left unfinished, this ends when nobody knows the generator any more, and the file may be closed by then.
        with suppress(ValueError):
            text.detach()
