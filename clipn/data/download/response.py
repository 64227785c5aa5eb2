"""What a server's response means for a file that is being fetched."""

import re
import sys

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from clipn.data.download.part import Origin, Part, require_space
from clipn.data.verification.checks import WEB_PAGE, RefusedError
from clipn.files import HEAD

TRANSIENT = (408, 425, 429)
"""Statuses that a later request may not meet, besides those from 500 on."""

LARGEST = 5_000_000_000
"""Bytes of a file whose record does not say how many it has."""

# No file has more digits, and Python refuses to read a number of thousands of them.
_LENGTH = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(rf"bytes ({_LENGTH.pattern})-({_LENGTH.pattern})/({_LENGTH.pattern}|\*)$")
_PAGES = ("text/html", "application/xhtml+xml")


class TransientError(Exception):
    """A failure after which a later request may succeed.

    Args:
        reason: what it is.
        pause: seconds that the server asks to wait.
        silent_host: the host, with its port, if it gave no response at all.
    """

    def __init__(self, reason: str, pause: float = 0, silent_host: str | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.silent_host = silent_host


def require_success(response: requests.Response) -> None:
    """Check the status.

    Raises:
        TransientError: it may be another one later.
        RefusedError: it will stay.
    """
    status = response.status_code
    if status in TRANSIENT or status >= 500:
        asked = Retry()
        asked.retry_after_max = sys.maxsize  # else urllib3 says six hours of whatever is longer
        try:
            pause = asked.parse_retry_after(response.headers.get("Retry-After", ""))
        except (InvalidHeader, ValueError, OverflowError):
            # urllib3 does not catch Python's own errors, e.g. for a year 99999 or a number of 5,000 digits.
            pause = 0
        asks = f", asks to wait {pause:,.0f} seconds" if pause else ""
        raise TransientError(f"HTTP {status}{asks}", pause)
    # 416: the part is as long as the file, or longer; `prepare_part` deletes it.
    if status not in (200, 206, 416):
        raise RefusedError(f"HTTP {status}")


def require_allowed(part: Part, size: int) -> None:
    """Refuse, and delete, a file of `size` bytes or more that the record does not allow; raises RefusedError."""
    if part.inspection.archive.bytes is None and size > LARGEST:
        part.discard()
        raise RefusedError(f"has {size:,} bytes or more, above {LARGEST:,}; if that is right, enter `bytes`")


def prepare_part(response: requests.Response, address: str, part: Part) -> None:
    """Make `part` ready for the body of a response, from byte 0 or from where the part ends.

    Raises:
        TransientError: the response does not fit the part, which is deleted.
        RefusedError: the response is not the file.
        ClipnError: the file does not fit on the disk.
    """
    if response.status_code == 200:
        part.begin(_origin(response, address, _whole_length(response, part)))
    else:
        _continue(response, address, part)
    if part.total is not None:
        require_allowed(part, part.total)
    if part.missing is not None:
        require_space(part.path, part.missing)


def _origin(response: requests.Response, address: str, total: int | None) -> Origin:
    headers = response.headers
    return Origin(
        address=address, entity_tag=headers.get("ETag"), modified=headers.get("Last-Modified"), total=total
    )  # fmt: skip


def _whole_length(response: requests.Response, part: Part) -> int | None:
    """Announced length of a whole file; None without one. Raises RefusedError for what cannot be the file."""
    inspection, headers = part.inspection, response.headers
    if not inspection.may_be_page and headers.get("Content-Type", "").lower().startswith(_PAGES):
        raise RefusedError(WEB_PAGE)
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    length = headers.get("Content-Length", "")
    # The length beside chunks is to be ignored (RFC 9112, 6.3).
    total = int(length) if _LENGTH.fullmatch(length) and not chunked else None
    if total is None:
        if not (chunked or inspection.has_checksum or inspection.archive.bytes is not None):
            # Such a body ends where the connection does, so nothing would tell the end from a cut.
            raise RefusedError("neither the server nor the record says how long it is; enter `bytes` or a checksum")
    elif error := inspection.size_error(total):
        # A wrong length is often that of a page to log in, and the user is better told so.
        head = response.raw.read1(HEAD, decode_content=False)
        raise RefusedError(WEB_PAGE if inspection.is_page(head) else error)
    return total


def _continue(response: requests.Response, address: str, part: Part) -> None:
    """Check that the response to a request for the rest of a part is that rest, of the same version of the file."""
    inspection, before = part.inspection, part.origin
    if part.size == 0 or before is None:
        raise RefusedError(f"HTTP {response.status_code} without a request for a range")
    found = _RANGE.match(response.headers.get("Content-Range", ""))
    total = (int(found[3]) if found and found[3] != "*" else None) or part.total
    if total is not None and (error := inspection.size_error(total)):
        raise RefusedError(error)
    origin = _origin(response, address, total)
    # Bytes of two servers, or of a version without a name, may be of two files. Only a checksum would notice.
    if inspection.has_checksum:
        same_version = origin.address != before.address or not origin.contradicts(before)
    else:
        same_version = origin.confirms(before)
    has_end = total is not None or inspection.has_checksum or inspection.archive.bytes is not None
    # Some servers go on at another byte than the one asked for.
    if found is None or int(found[1]) != part.size or not has_end or not same_version:
        part.discard()
        raise TransientError("did not go on where it broke off")
    part.go_on(origin)
