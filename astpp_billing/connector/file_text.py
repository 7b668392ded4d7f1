"""Text files from anybody's spreadsheet: plain or gzip, in an encoding that is found out by reading the whole file."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from .call_headings import FileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP_MAGIC = b"\x1f\x8b"
MAX_LINE = 1 << 16
NO_TEXT = "this is no text. Choose a CSV file (plain or .gz) or an XLSX workbook of calls"
# Bytes that are read at once to find out the encoding, and those that show whether it is UTF-16 without a mark.
BLOCK = 1 << 20
SAMPLE = 4096
# Bytes that Windows-1252 has no character for.
NO_CHARACTER = {chr(0xDC00 + byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
# What a compressed file may unpack to, in bytes, and how many times its own size unless that is small enough to do no
# harm. Calls shrink to a fifth or a fifteenth.
MAX_UNPACKED = 16 << 30
MAX_RATIO = 150
SMALL = 64 << 20
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

_Binary = BinaryIO | gzip.GzipFile


def open_text(stream: BinaryIO) -> tuple[str, Iterator[str]]:
    """Find out a file's encoding by reading all of it, and return its lines.

    A few lines in another encoding do not change what the file is taken for: their bytes come as surrogates, so that
    the reader can refuse these lines alone.

    :param stream: seekable binary file, plain or gzip
    :return: (encoding, iterator of lines)
    :raise FileError: when the file is damaged, or its text has no encoding that is known here
    """
    try:
        is_packed = _head(stream, len(GZIP_MAGIC)) == GZIP_MAGIC
        plain: _Binary = _Unpacked(stream) if is_packed else stream
        encoding = _encoding(plain)
        plain.seek(0)
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(f"the compressed file is damaged: {error}") from error
    return encoding, _lines(plain, encoding)


class _Unpacked(gzip.GzipFile):
    """The content of a compressed file; too much of it ends with a ``FileError``."""

    def __init__(self, stream: BinaryIO):
        super().__init__(fileobj=stream, mode="rb")
        self._packed = stream.seek(0, io.SEEK_END)
        stream.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        return self._counted(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._counted(super().read1(size))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _counted(self, data: bytes) -> bytes:
        place = self.tell()
        if place > MAX_UNPACKED or (place > SMALL and place > MAX_RATIO * self._packed):
            raise FileError(
                f"the compressed file holds more than any file of calls of its size ({place >> 20} MB and more)"
            )
        return data


def _head(stream: _Binary, size: int) -> bytes:
    head = stream.read(size)
    stream.seek(0)
    return head


def _encoding(stream: _Binary) -> str:
    head = _head(stream, SAMPLE)
    if wide := _MARKS.get(head[:2]) or _unmarked_utf16(head):
        _check(stream, wide)
        return wide
    if b"\0" in head.split(b"\n", 1)[0]:
        # Said before the rest is read, which may be long.
        raise FileError(NO_TEXT)
    characters, has_nul = _characters(stream)
    stray = {character for character in characters if "\udc80" <= character <= "\udcff"}
    is_damaged = has_nul or any(character > "\x7f" for character in characters - stray)
    if not stray or is_damaged:
        return "utf-8-sig"
    if stray & NO_CHARACTER:
        raise FileError("its text is neither UTF-8 nor Windows-1252. Save it as CSV UTF-8")
    return "cp1252"


def _unmarked_utf16(head: bytes) -> str | None:
    """Return the encoding of text in which every other byte is zero, as for ASCII characters in UTF-16, or None."""
    first, second = head[0::2], head[1::2]
    many, few = len(second) // 2, len(second) // 20
    if second.count(0) > many and first.count(0) <= few:
        return "utf-16-le"
    if first.count(0) > many and second.count(0) <= few:
        return "utf-16-be"
    return None


def _check(stream: _Binary, encoding: str) -> None:
    """Raise ``FileError`` unless all of the file is in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := stream.read(BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise FileError(f"its text is damaged UTF-16 ({error.reason}). Save it as CSV UTF-8") from error


def _characters(stream: _Binary) -> tuple[set[str], bool]:
    """Return the characters beyond ASCII of a text in UTF-8 (other bytes as surrogates), and whether it has NULs."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    characters: set[str] = set()
    has_nul, is_ended = False, False
    while not is_ended:
        block = stream.read(BLOCK)
        is_ended = not block
        has_nul = has_nul or b"\0" in block
        text = decoder.decode(block, final=is_ended)
        if not text.isascii():
            characters |= {character for character in set(text) if character > "\x7f"}
    return characters, has_nul


def _lines(stream: _Binary, encoding: str) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    try:
        # A damaged file may be one endless line, so each read has a limit.
        while line := text.readline(MAX_LINE):
            yield line
    finally:
        # A generator that was not read to its end may be collected after the file was closed.
        with suppress(ValueError):
            text.detach()
