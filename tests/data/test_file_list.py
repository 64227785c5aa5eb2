"""Images that a text file lists."""

from pathlib import Path

import pytest

from clipn.data.archives import write_archive
from clipn.data.location import Location, locate
from clipn.data.readers import class_names, read_images
from clipn.data.readers.file_list import read_file_list
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import dataset, jpeg, write_files

IMAGES = {"set/a/1.jpg": jpeg(1), "set/b/2.jpg": jpeg(2), "set/c 3.jpg": jpeg(3), "set/unlisted.jpg": jpeg(4)}


def listed(folder: Path, text: str, **fields: object) -> Location:
    """A folder `set` of `IMAGES` in which a list of that text is looked up."""
    write_files(folder, IMAGES | {"list.txt": text.encode()})
    return locate(dataset(folder="set", reader="list", file_list="list.txt", **fields), Path("nowhere"), folder)


def found(location: Location) -> list[tuple[str, int, bytes]]:
    return [(image.path, image.label, image.content) for image in read_images(location)]


def test_labels_are_those_of_the_list_and_the_order_is_that_of_the_folder(tmp_path: Path) -> None:
    location = listed(tmp_path, "# path label\nb/2.jpg 7\n\n./a/1.jpg\t 0 \nc 3.jpg\n", classes=["x", "y"])
    assert found(location) == [("a/1.jpg", 0, jpeg(1)), ("b/2.jpg", 7, jpeg(2)), ("c 3.jpg", -1, jpeg(3))]
    assert class_names(location) == ["x", "y"]


def test_a_listed_path_may_begin_with_the_folder_s_name(tmp_path: Path) -> None:
    assert found(listed(tmp_path, "set/b/2.jpg 1\na/1.jpg -1\n")) == [
        ("a/1.jpg", -1, jpeg(1)),
        ("set/b/2.jpg", 1, jpeg(2)),
    ]


def test_listed_paths_are_found_in_archives_in_their_order(tmp_path: Path) -> None:
    write_archive(tmp_path / "1.tar", [("set/b/2.jpg", jpeg(2)), ("set/unlisted.jpg", b"")])
    write_archive(tmp_path / "2.tar.gz", [("set/a/1.jpg", jpeg(1))])
    (tmp_path / "list.txt").write_text("set/a/1.jpg 5\nset/b/2.jpg 6\n", encoding="utf-8")
    record = dataset("1.tar", "2.tar.gz", reader="list", file_list="list.txt")
    location = locate(record, tmp_path, tmp_path)
    assert found(location) == [("set/b/2.jpg", 6, jpeg(2)), ("set/a/1.jpg", 5, jpeg(1))]
    assert class_names(location) == []


def test_selection_applies_to_listed_paths(tmp_path: Path) -> None:
    location = listed(tmp_path, "a/1.jpg\nb/2.jpg\nc 3.jpg\n", select={"exclude": ["a/*"], "stop": 1})
    assert [path for path, _, _ in found(location)] == ["b/2.jpg"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a/1.jpg\nz.jpg\n", r"list\.txt: z\.jpg not found in .*set; complete"),
        ("z.jpg 1\na/1.jpg 0\ny.jpg 1\n../out.jpg 3", r"list\.txt: \.\./out\.jpg and 2 more not found"),
        ("a/1.jpg;0\n", r"a/1\.jpg;0 not found in .*set; complete the images, or write a space, and no comma"),
        ('"a/1.jpg" 0\n', r"not found in .*set; complete the images, or write paths without quotation marks"),
        ("a/1.jpg cat\n", r"a/1\.jpg cat not found in .*set; complete the images, or write labels as whole numbers"),
        ("a/1.jpg 0\n./a/1.jpg 1\n", r"list\.txt: lists a/1\.jpg twice"),
        ("a/1.jpg\nset/a/1.jpg\n", r"list\.txt: .*a/1\.jpg"),
        ("a\\1.jpg 0\n", r"list\.txt: a.1\.jpg not found in .*set; complete the images, or write / between folders"),
        (
            "path,label\na/1.jpg,0\n",
            r"list\.txt: .* and 1 more not found in .*, or write a space, and no comma, before",
        ),
        ("a/1.jpg 0.0\n", r"list\.txt: a/1\.jpg 0\.0 not found in .*, or write labels as whole numbers"),
        ("# nothing\n\n", r"list\.txt: lists no file"),
    ],
)
def test_lists_that_do_not_fit_the_images_are_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(ClipnError, match=error):
        found(listed(tmp_path, text))


def test_accents_in_another_form_are_told(tmp_path: Path) -> None:
    write_files(tmp_path, {"set/cafe\u0301.jpg": jpeg(5)})
    with pytest.raises(ClipnError, match="complete the images, or write accents as the names of the files do"):
        found(listed(tmp_path, "caf\u00e9.jpg 0\n"))


def test_lists_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.jpg\n")
    with pytest.raises(ClipnError, match=r"list\.txt: is not UTF-8 text"):
        read_file_list(tmp_path / "list.txt")
    with pytest.raises(ClipnError, match="no such file"):
        read_file_list(tmp_path / "absent.txt")
