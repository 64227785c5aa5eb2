"""The crawl by img2dataset itself, from a server that gives what the web gives."""

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import pytest
from PIL import Image

from tests.helpers.crawl_work import work_in

CRAWLER = Path(os.environ.get("CLIPN_IMG2DATASET", Path(__file__).parents[2] / ".crawler/bin/img2dataset"))
ANSWERS = ["good", "missing", "page", "cut", "half", "slow", "grey"]


def picture(mode: str) -> bytes:
    stream = BytesIO()
    Image.radial_gradient("L").resize((400, 300)).convert(mode).save(stream, "JPEG")
    return stream.getvalue()


class Answers(BaseHTTPRequestHandler):
    """Answers each path of `ANSWERS` in its way; `slow` waits for the end."""

    over: Event
    asked: list[str]

    def do_GET(self) -> None:
        kind = self.path.strip("/").split("-")[0]
        self.asked.append(self.path)
        if kind == "slow":
            self.over.wait(30)
            return
        if kind == "missing":
            self.send_error(404)
            return
        content = b"<html>gone</html>" if kind == "page" else picture("L" if kind == "grey" else "RGB")
        if kind == "half":
            content = content[: len(content) // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if kind == "cut" else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Answers.over, Answers.asked = Event(), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Answers.over.set()
        server.shutdown()
        thread.join()


@pytest.mark.workflow
@pytest.mark.skipif(not CRAWLER.is_file(), reason="needs `make crawler`, or $CLIPN_IMG2DATASET")
def test_img2dataset_itself(tmp_path: Path, server: str) -> None:
    urls = [f"{server}/{kind}-{number}.jpg" for number in range(2) for kind in ANSWERS]
    work = work_in(tmp_path, urls)._replace(executable=CRAWLER)
    report = work.crawl(timeout=1, shard_size=5, image_size=64, min_success=0.2)
    assert [report["rows"], report["images"]] == [14, 4]
    assert report["errors"]["HTTP Error 404: Not Found"] == 2
    assert report["errors"]["Image decoding error"] == 4  # the page and the half, twice
    assert report["failures"] == {"failed_to_download": 6, "failed_to_resize": 4}
    assert report["rounds"][1]["rows"] == 10
    sizes = {number: Image.open(BytesIO(content)).size for number, content in work.images().items()}
    assert sizes == dict.fromkeys([0, 6, 7, 13], (85, 64))
    asked = len(Answers.asked)
    assert work.crawl(timeout=1, shard_size=5, image_size=64, min_success=0.2) == report
    assert len(Answers.asked) == asked
