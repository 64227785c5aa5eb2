"""`clipn data` as a person types it, on archives that lie beside their registry."""

import hashlib
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import yaml

from clipn.cli import main as cli
from clipn.data.manifest import names_hash, read_manifest


@pytest.fixture
def clipn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run a command in an empty folder; returns its status, what it printed, and its last line of error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["clipn", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code, said.out, (said.err.splitlines() or [""])[-1]

    return run


def picture(shade: int) -> bytes:
    stream = BytesIO()
    PIL.Image.new("RGB", (24, 16), (shade, 0, 0)).save(stream, "JPEG")
    return stream.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return path


def images(folder: str, count: int = 3) -> dict[str, bytes]:
    return {f"{folder}/images/{number}.jpg": picture(20 * number) for number in range(count)}


def write_registry(**datasets: dict[str, object]) -> Path:
    path = Path("config/datasets.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"datasets": datasets}))
    return path


def record(file: str, *, has_checksum: bool = True, **fields: object) -> dict[str, object]:
    archive = {"file": file, "addresses": [f"../origin/{file}"]}
    digest = hashlib.sha256(Path("origin", file).read_bytes()).hexdigest()
    return {
        "title": file,
        "reader": "flat",
        "archives": [archive | ({"sha256": digest} if has_checksum else {})],
        **fields,
    }


@pytest.fixture
def sun_and_places(clipn: Any) -> Any:
    """A registry of one dataset with a published checksum and one without."""
    Path("origin").mkdir()
    write_tar(Path("origin/SUN.tar"), images("SUN"))
    write_tar(Path("origin/Places.tar"), images("Places"))
    names = names_hash(["0.jpg", "1.jpg", "2.jpg"])
    write_registry(
        sun=record("SUN.tar", images=3, names_sha256=names), places=record("Places.tar", has_checksum=False, images=3)
    )
    return clipn


def lines(table: str) -> dict[str, str]:
    """Lines of a printed table by their first word, single-spaced."""
    return {line.split()[0]: " ".join(line.split()) for line in table.splitlines() if line.strip()}


def test_fetch_verify_and_status(sun_and_places: Any) -> None:
    clipn = sun_and_places
    assert lines(clipn("data", "status")[1])["sun"] == "sun 0 of 1 - to be fetched - -"
    assert clipn("data", "fetch", "sun", "places")[0] == 0
    assert lines(clipn("data", "status")[1])["sun"].endswith("not verified yet - -")
    status, out, _ = clipn("data", "verify")
    assert status == 0
    assert lines(out)["sun"] == "sun 1 of 1 0.01 MB verified 3 of 3 verified"
    assert lines(out)["places"] == "places 1 of 1 0.01 MB unverified 3 of 3 none published"
    assert out == clipn("data", "status")[1]
    manifest = read_manifest(Path("downloads/verified/sun/manifest.parquet"))
    assert list(manifest["path"]) == ["0.jpg", "1.jpg", "2.jpg"]
    assert list(manifest["sha256"]) == [hashlib.sha256(picture(20 * number)).hexdigest() for number in range(3)]


def test_an_archive_without_a_published_checksum_must_stay_what_it_was(sun_and_places: Any) -> None:
    clipn = sun_and_places
    fetch = ("data", "fetch", "places", "--archives", "here", "--mirror", "origin")
    assert clipn(*fetch)[0] == 0
    Path("here/Places.tar").unlink()
    write_tar(Path("origin/Places.tar"), images("Places", count=4))
    status, _, error = clipn(*fetch)
    assert status == 1
    assert "differs from the first download" in error
    assert "downloads/recorded/Places.tar.json" in error
    assert not Path("here/Places.tar").exists()


def test_a_fetched_archive_is_not_fetched_again(sun_and_places: Any) -> None:
    clipn = sun_and_places
    clipn("data", "fetch", "sun")
    Path("origin/SUN.tar").unlink()
    status, out, said = clipn("data", "fetch", "sun")
    assert (status, said) == (0, "")
    assert lines(out)["sun"] == "sun 1 of 1 0.01 MB not verified yet - -"


def test_fetch_shows_what_was_asked_for_but_nothing_of_a_single_file(sun_and_places: Any) -> None:
    clipn = sun_and_places
    status, out, _ = clipn("data", "fetch", "sun")
    assert status == 0
    assert out == clipn("data", "status", "sun")[1]
    assert clipn("data", "fetch", "places", "--file", "Places.tar") == (0, "", "")
    assert Path("downloads/Places.tar").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["sun", "places", "--file", "SUN.tar"],
            "--file SUN.tar: is of a single dataset; name one and not sun, places",
        ),
        (["sun", "--cleaning", "nicno"], "config/datasets.yaml: no cleaning list 'nicno'; it has none"),
        (["sun", "--mirror", "nowhere"], "nowhere: no such folder; correct the mirror or leave it out"),
    ],
)
def test_what_cannot_be_fetched_as_asked(sun_and_places: Any, arguments: list[str], error: str) -> None:
    assert sun_and_places("data", "fetch", *arguments) == (1, "", f"error: {error}")
    assert not Path("downloads").exists()


def test_an_interrupted_fetch_says_that_it_goes_on(sun_and_places: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clipn.data.fetch.fetch_archives", interrupt)
    said = "interrupted; the same command goes on where it was"
    assert sun_and_places("data", "fetch", "sun") == (130, "", said)


def test_an_archive_that_changed_is_said_to_have(sun_and_places: Any) -> None:
    clipn = sun_and_places
    clipn("data", "fetch", "sun")
    clipn("data", "verify", "sun")
    write_tar(Path("downloads/SUN.tar"), images("SUN", count=2))
    assert "changed since it was verified" in lines(clipn("data", "status", "sun")[1])["sun"]
    status, _, error = clipn("data", "verify", "sun")
    assert status == 1
    assert error.startswith("error: downloads/SUN.tar: ")


def test_one_bad_dataset_does_not_hide_the_others(sun_and_places: Any) -> None:
    clipn = sun_and_places
    clipn("data", "fetch", "sun", "places")
    Path("downloads/SUN.tar").write_bytes(b"no tar")
    status, out, error = clipn("data", "verify")
    assert status == 1
    assert error.startswith("error: downloads/SUN.tar: ")
    assert "3 of 3" in lines(out)["places"]


def test_list_says_how_data_come_and_whether_a_checksum_is_published(sun_and_places: Any) -> None:
    clipn = sun_and_places
    path = write_registry(
        sun=record("SUN.tar", images=1234, terms="for research"),
        mine={"title": "Mine", "reader": "flat", "folder": "../photos"},
    )
    listed = lines(clipn("data", "list", "--registry", path)[1])
    assert listed["sun"] == "sun SUN.tar 1,234 flat fetch published for research"
    assert listed["mine"] == "mine Mine ? flat in place none -"


def test_by_hand_is_told_which_file_to_put_where(clipn: Any) -> None:
    archive = {"file": "val.tar", "manual": "register at example.org"}
    write_registry(imagenet={"title": "I", "reader": "flat", "archives": [archive]})
    assert "by hand: val.tar" in clipn("data", "status")[1]
    status, _, error = clipn("data", "fetch", "imagenet")
    assert status == 1
    assert error == (
        "error: val.tar: may not be fetched by a program; put it at downloads/val.tar: register at example.org"
    )
    Path("downloads").mkdir(exist_ok=True)
    write_tar(Path("downloads/val.tar"), images("val"))
    assert clipn("data", "fetch", "imagenet")[0] == 0
    assert lines(clipn("data", "verify", "imagenet")[1])["imagenet"].startswith("imagenet 1 of 1 0.01 MB unverified 3")


@pytest.mark.parametrize("place", ["mirror/SUN.tar", "mirror/sun/SUN.tar"])
@pytest.mark.parametrize("archives", ["downloads", "here/sun"])
def test_an_archive_of_a_mirror_is_used_where_it_is(sun_and_places: Any, place: str, archives: str) -> None:
    clipn = sun_and_places
    Path(place).parent.mkdir(parents=True)
    Path("origin/SUN.tar").rename(place)
    assert clipn("data", "fetch", "sun", "--archives", archives, "--mirror", "mirror")[0] == 0
    assert Path(archives, "SUN.tar").readlink() == Path(place).absolute()


def test_an_unpacked_copy_is_verified_by_its_names(sun_and_places: Any) -> None:
    clipn = sun_and_places
    with tarfile.open("origin/SUN.tar") as tar:
        tar.extractall("copy", filter="data")
    status, out, _ = clipn("data", "verify", "sun", "--unpacked", "copy/SUN")
    assert status == 0
    assert "by names 3 of 3 verified" in lines(out)["sun"]
    Path("copy/SUN/images/1.jpg").rename("copy/SUN/images/7.jpg")
    status, _, error = clipn("data", "verify", "sun", "--unpacked", "copy/SUN")
    assert status == 1
    assert "names_sha256" in error


# Adding one's own images

LAYOUTS = {
    "flat": {"a.jpg": picture(1), "b.jpg": picture(2), "notes.txt": b"x"},
    "folders": {"cat/a.jpg": picture(1), "dog/b.jpg": picture(2)},
    "webdataset": {"s.tar": b""},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_a_folder_is_found_out(clipn: Any, layout: str) -> None:
    for name, content in LAYOUTS[layout].items():
        path = Path("mine", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if layout == "webdataset":
        write_tar(Path("mine/s.tar"), {"0.jpg": picture(1), "0.cls": b"1", "1.jpg": picture(2), "1.cls": b"0"})
    write_registry()
    status, out, _ = clipn("data", "add", "mine", "mine", "--title", "My own")
    assert (status, out) == (0, f"mine: 2 images, reader {layout}; now: clipn data verify mine\n")
    written = yaml.safe_load(Path("config/datasets.yaml").read_text())["datasets"]["mine"]
    assert (written["title"], written["folder"], written["images"]) == ("My own", "../mine", 2)
    assert clipn("data", "verify", "mine")[0] == 0
    labels = {"flat": [-1, -1], "folders": [0, 1], "webdataset": [1, 0]}[layout]
    assert list(read_manifest(Path("downloads/verified/mine/manifest.parquet"))["label"]) == labels


def test_an_archive_of_ones_own_is_recorded_with_its_checksum(clipn: Any) -> None:
    write_tar(Path("mine.tar"), images("mine"))
    status, out, _ = clipn("data", "add", "mine", "mine.tar", "--registry", "r.yaml")
    commands = "clipn data fetch mine --registry r.yaml && clipn data verify mine --registry r.yaml"
    assert (status, out) == (0, f"mine: 3 images, reader flat; now: {commands}\n")
    (archive,) = yaml.safe_load(Path("r.yaml").read_text())["datasets"]["mine"]["archives"]
    assert archive["sha256"] == hashlib.sha256(Path("mine.tar").read_bytes()).hexdigest()
    assert clipn("data", "fetch", "mine", "--registry", "r.yaml")[0] == 0
    assert "verified 3 of 3 verified" in lines(clipn("data", "verify", "--registry", "r.yaml")[1])["mine"]


def test_a_file_list_with_labels(clipn: Any) -> None:
    Path("mine").mkdir()
    for number in range(3):
        Path(f"mine/{number}.jpg").write_bytes(picture(number))
    Path("list.txt").write_text("2.jpg 7\n0.jpg 1\n")
    assert clipn("data", "add", "mine", "mine", "--file-list", "list.txt", "--registry", "r.yaml")[0] == 0
    assert clipn("data", "verify", "mine", "--registry", "r.yaml")[0] == 0
    manifest = read_manifest(Path("downloads/verified/mine/manifest.parquet"))
    assert dict(zip(manifest["path"], manifest["label"], strict=True)) == {"0.jpg": 1, "2.jpg": 7}


def test_adding_keeps_comments_and_other_records(clipn: Any) -> None:
    Path("mine").mkdir()
    Path("mine/a.jpg").write_bytes(picture(1))
    before = "# Ours.\ndatasets:\n  # The first.\n  other: {title: O, reader: flat, folder: x} # kept\n"
    Path("r.yaml").write_text(before)
    assert clipn("data", "add", "mine", "mine", "--registry", "r.yaml")[0] == 0
    assert Path("r.yaml").read_text().startswith(before)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["mine", "nowhere"], "nowhere: no such file or folder; check the path"),
        (["other", "mine"], "r.yaml: has a record 'other' already; choose another name, or remove that record"),
        (["my own", "mine"], "datasets.my own.[key]: String should match pattern"),
        (["mine", "empty"], "empty: holds no image in the layout 'flat'; name another --reader"),
    ],
)
def test_what_cannot_be_added(clipn: Any, arguments: list[str], error: str) -> None:
    for folder in ("mine", "empty"):
        Path(folder).mkdir()
    Path("mine/a.jpg").write_bytes(picture(1))
    before = "datasets: {other: {title: O, reader: flat, folder: x}}\n"
    Path("r.yaml").write_text(before)
    status, _, said = clipn("data", "add", *arguments, "--registry", "r.yaml")
    assert status == 1
    assert error in said
    assert Path("r.yaml").read_text() == before
