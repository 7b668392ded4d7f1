"""The zip archive of a workbook, with limits: even a small file may unpack to more than a machine's memory."""

import io
import re
import zipfile
from typing import IO, BinaryIO, Literal, cast

from .call_headings import FileError

# Excel has no more.
MAX_ROWS = 1 << 20
# Unpacked, in bytes: the whole archive, the texts that cells share (they are held in memory), and all other parts but
# sheets (each is read at once).
MAX_SIZE = 2 << 30
MAX_TEXTS = 192 << 20
MAX_OTHER = 4 << 20
# How many times its packed size an archive may unpack to, unless that is small. XML shrinks to a tenth or a thirtieth.
MAX_RATIO = 200
SMALL = 32 << 20
# The length of one row or text in the XML, in bytes, and the number of texts.
MAX_PART = 1 << 20
MAX_TEXT_COUNT = 4 << 20
_ROW = re.compile(rb"<(?:[\w.-]+:)?row[\s>/]")
_TEXT = re.compile(rb"<(?:[\w.-]+:)?si[\s>/]")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
# Bytes of a block that are looked at again with the next one: a tag may lie across both.
OVERLAP = 128
HOW = "Save it as CSV, or in several files"


class WorkbookArchive(zipfile.ZipFile):
    """A workbook's archive that ends with a ``FileError`` rather than with the machine's memory.

    :param stream: seekable binary file
    """

    def __init__(self, stream: BinaryIO):
        super().__init__(stream)
        self._other = self._opened = 0
        size = sum(info.file_size for info in self.infolist())
        packed = sum(info.compress_size for info in self.infolist())
        if size > MAX_SIZE or (size > SMALL and size > MAX_RATIO * packed):
            raise FileError(f"the workbook is too large: unpacked it has {size >> 20} MB. {HOW}")

    def open(
        self,
        name: str | zipfile.ZipInfo,
        mode: Literal["r", "w"] = "r",
        pwd: bytes | None = None,
        *,
        force_zip64: bool = False,
    ) -> IO[bytes]:
        """Return a part of the workbook, which is checked while it is read.

        :raise FileError: when it is too large for what it is
        """
        info = name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name)
        path, size = info.filename.lower(), info.file_size
        # Many sheets may name one part, and openpyxl opens it for each: for its size, and the first sheet to be read.
        self._opened += size
        if self._opened > 2 * MAX_SIZE:
            raise FileError(f"the workbook has too many sheets. {HOW}")
        part = super().open(info, mode, pwd, force_zip64=force_zip64)
        if path.endswith("sharedstrings.xml"):
            if size > MAX_TEXTS:
                part.close()
                raise FileError(f"the workbook has {size >> 20} MB of texts. {HOW}")
            return cast(IO[bytes], _Part(part, _TEXT, MAX_TEXT_COUNT))
        if "worksheets/" in path and path.endswith(".xml"):
            return cast(IO[bytes], _Part(part, _ROW, MAX_ROWS))
        self._other += size
        if self._other > MAX_OTHER:
            part.close()
            raise FileError(f"the workbook has too much beside its cells: formats, names or links. {HOW}")
        return part


class _Part(io.RawIOBase):
    """The bytes of a part, whose rows or texts are counted and measured; it has the methods that openpyxl calls."""

    def __init__(self, part: IO[bytes], mark: re.Pattern[bytes], most: int):
        super().__init__()
        self._part = part
        self._mark = mark
        self._most = most
        self._count = self._since = 0
        self._tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:  # pylint: disable=method-required-super
        """Return up to so many bytes.

        :raise FileError: when there are too many rows or texts, or one is too long
        """
        block = self._part.read(MAX_PART if size is None or size < 0 else min(size, MAX_PART))
        if not block:
            return block
        text = self._tail + block
        if _DOCTYPE.search(text):
            raise FileError("the workbook is damaged: its XML defines words of its own")
        last = 0
        for found in self._mark.finditer(text):
            # This one was counted with the block before.
            if found.end() <= len(self._tail):
                continue
            if self._since + found.start() - last > MAX_PART:
                raise FileError(f"the workbook has a row or a text that is too long. {HOW}")
            self._count, self._since, last = self._count + 1, 0, found.start()
        self._since += len(text) - last
        if self._since > MAX_PART + OVERLAP:
            raise FileError(f"the workbook has a row or a text that is too long. {HOW}")
        if self._count > self._most:
            raise FileError(f"the workbook has more than {self._most} rows or texts. {HOW}")
        self._tail = text[-OVERLAP:]
        self._since -= len(self._tail)
        return block

    def close(self) -> None:
        self._part.close()
        return super().close()
