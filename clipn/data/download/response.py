"""What a server's answer means for a file that is being fetched."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

from clipn.data.download.checks import HEAD, WEB_PAGE, Inspection, RefusedError
from clipn.data.download.part import Origin, Part, require_room

PASSING = (408, 425, 429)
"""Statuses that a later request may not meet, besides those from 500 on."""

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")
_PAGES = ("text/html", "application/xhtml+xml")


class TroubleError(Exception):
    """Something that may pass.

    Args:
        reason: what it is.
        pause: seconds that the server asks to wait.
        silent_host: the host, with its port, if it gave no answer at all.
    """

    def __init__(self, reason: str, pause: float = 0, silent_host: str | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.silent_host = silent_host


def require_success(response: requests.Response) -> None:
    """Check the status.

    Raises:
        TroubleError: it may be another one later.
        RefusedError: it will stay.
    """
    status = response.status_code
    if status in PASSING or status >= 500:
        raise TroubleError(f"HTTP {status}", _asked_pause(response.headers.get("Retry-After", "")))
    if status not in (200, 206, 416):
        raise RefusedError(f"HTTP {status}")


def _asked_pause(text: str) -> float:
    """Seconds of a Retry-After header, which holds a number or a date; 0 when it holds neither."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def place(response: requests.Response, address: str, part: Part) -> None:
    """Make `part` ready for the body of an answer, from byte 0 or from where the part ends.

    Raises:
        TroubleError: the answer does not fit the part, which is dropped.
        RefusedError: the answer is not the file.
        ClipnError: the file does not fit on the disk.
    """
    if response.status_code == 200:
        _refuse_page(response, part.inspection)
        origin = _origin(response, address, _length(response))
        _refuse_length(response, origin.total, part.inspection)
        part.begin(origin)
    else:
        origin = _origin(response, address, _range_total(response) or part.total)
        _require_continuation(response, origin, part)
        part.go_on(origin)
    if part.missing is not None:
        require_room(part.path, part.missing)


def _origin(response: requests.Response, address: str, total: int | None) -> Origin:
    headers = response.headers
    return Origin(
        address=address, entity_tag=headers.get("ETag"), modified=headers.get("Last-Modified"), total=total
    )  # fmt: skip


def _refuse_page(response: requests.Response, inspection: Inspection) -> None:
    if not inspection.may_be_page and response.headers.get("Content-Type", "").lower().startswith(_PAGES):
        raise RefusedError(WEB_PAGE)


def _length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and not _is_chunked(response) else None


def _is_chunked(response: requests.Response) -> bool:
    return "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def _refuse_length(response: requests.Response, total: int | None, inspection: Inspection) -> None:
    if total is None:
        if not (_is_chunked(response) or inspection.has_checksum or inspection.archive.bytes is not None):
            raise RefusedError("neither the server nor the record says how long it is; enter `bytes` or a checksum")
    elif complaint := inspection.size_error(total):
        head = response.raw.read1(HEAD, decode_content=False)
        raise RefusedError(WEB_PAGE if inspection.is_page(head) else complaint)


def _range(response: requests.Response) -> re.Match[str] | None:
    return _RANGE.match(response.headers.get("Content-Range", ""))


def _range_total(response: requests.Response) -> int | None:
    found = _range(response)
    return int(found[3]) if found and found[3] != "*" else None


def _require_continuation(response: requests.Response, origin: Origin, part: Part) -> None:
    """Check that the answer to a request for the rest of a part is that rest, of the same version of the file."""
    if part.size == 0:
        raise RefusedError(f"HTTP {response.status_code} without a request for a range")
    if origin.total is not None and (complaint := part.inspection.size_error(origin.total)):
        raise RefusedError(complaint)
    found = _range(response)
    ends = origin.total is not None or part.inspection.has_checksum or part.inspection.archive.bytes is not None
    fits = found is not None and int(found[1]) == part.size and ends and _same_version(origin, part)
    if not fits:
        part.discard()
        raise TroubleError("did not go on where it broke off")


def _same_version(origin: Origin, part: Part) -> bool:
    """Only a checksum proves a file that was put together from what two servers, or an unnamed version, gave."""
    if part.origin is None or not part.inspection.has_checksum:
        return part.origin is not None and origin.confirms(part.origin)
    return origin.address != part.origin.address or not origin.contradicts(part.origin)
