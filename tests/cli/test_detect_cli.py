"""`clipn detect` as a person types it."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from clipn.cli import main as cli
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import save_checkpoint
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip

ASK = ["--classes", "cat,great white shark", "--model", "model.safetensors", "--prompts", "single"]
CALIBRATE = ["--calibrate", "photos", "--recall", "0.8"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"photos/{number}.png")
    save_checkpoint(tmp_path / "model.safetensors", taught_model().state_dict(), ARCHITECTURE, {})
    save_backbone(tmp_path / "plain.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def detect(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command; returns its status, and its lines on standard output and standard error."""

    def run(*arguments: str) -> tuple[object, list[str], list[str]]:
        monkeypatch.setattr("sys.argv", ["clipn", "detect", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out.splitlines(), printed.err.splitlines()

    return run


def test_a_table_on_the_terminal(detect: Any, folder: Path) -> None:
    (folder / "photos/broken.jpg").write_text("no image")
    (folder / "photos/notes.txt").touch()
    status, out, err = detect("photos", *ASK)
    assert status == 0
    assert out[0].split() == ["class", "share", "atd", "threshold", "file"]
    rows = [re.split(r"  +", line.strip()) for line in out[1:]]
    assert [row[-1] for row in rows[:6]] == [f"photos/{number}.png" for number in range(6)]
    assert {row[0] for row in rows[:6]} <= {"ID", "OOD"}
    assert {row[1] for row in rows[:6]} <= {"cat", "great white shark"}
    assert rows[6] == ["error", "photos/broken.jpg: truncated or not an image"]
    accepted = sum(row[0] == "ID" for row in rows)
    kinds = [f"{accepted} of the classes (ID)"] * (accepted > 0) + [f"{6 - accepted} of none (OOD)"] * (accepted < 6)
    assert err == [
        "1 file of no image format left out: photos/notes.txt",
        f"7 images: {', '.join(kinds)}, 1 not readable",
    ]


def test_rows_in_files(detect: Any, folder: Path) -> None:
    (folder / "photos/broken.jpg").write_text("no image")
    outputs = ["--csv", "out/rows.csv", "--parquet", "out/rows.parquet", "--json", "out/rows.json"]
    status, out, _ = detect("photos", *ASK, *outputs)
    assert (status, out) == (0, [])
    columns = ["file", "decision", "best_class", "share", "score", "threshold", "error"]
    as_csv = pd.read_csv(folder / "out/rows.csv")
    assert list(as_csv) == columns
    as_parquet = pd.read_parquet(folder / "out/rows.parquet")
    as_json = pd.DataFrame(json.loads((folder / "out/rows.json").read_text()))
    assert list(as_json["file"]) == [*(f"photos/{number}.png" for number in range(6)), "photos/broken.jpg"]
    assert as_json["error"].tolist() == [""] * 6 + ["truncated or not an image"]
    for name in ("share", "score"):
        np.testing.assert_array_equal(as_csv[name], as_parquet[name])
        np.testing.assert_array_equal(as_json[name].astype(float), as_parquet[name])
    for name in ("file", "decision", "best_class", "error"):
        assert as_csv[name].fillna("").tolist() == as_json[name].tolist() == as_parquet[name].tolist()


def test_a_page_of_thumbnails_sorted_by_score(detect: Any, folder: Path) -> None:
    (folder / "photos/<b>.jpg").write_text("no image")
    status, _, err = detect("photos", *ASK, "--html", "page.html", "--csv", "rows.csv")
    assert status == 0
    page = (folder / "page.html").read_text()
    rows = pd.read_csv(folder / "rows.csv").dropna(subset="score").sort_values("score")
    assert re.findall(r"photos/\d\.png", page) == rows["file"].tolist()
    assert page.count("data:image/jpeg;base64,") == 6
    assert "photos/&lt;b&gt;.jpg: truncated or not an image" in page
    assert f"<h1>{err[-1]}</h1>" in page
    assert "ID is what the threshold-free rule CLIPN-ATD accepts." in page


def test_calibrate_save_and_ask_again(detect: Any, folder: Path) -> None:
    status, out, err = detect("--save", "pets.safetensors", *ASK, *CALIBRATE)
    assert (status, out) == (0, [])
    assert re.fullmatch(
        r"threshold: CLIPN-ATD \S+ or more, which a new image of the classes reaches with probability 80\.0% at least "
        r"\(from 6 images, of which 9 in 10 sets give a threshold that \d+\.\d% to \d+\.\d% reach\)",
        err[-1],
    )
    for arguments in (["--detector", "pets.safetensors"], [*ASK, *CALIBRATE]):
        assert detect("photos", *arguments, "--csv", "rows.csv")[0] == 0
        rows = pd.read_csv(folder / "rows.csv")
        # floor(7 x 0.2) = 1: the threshold is the smallest score.
        assert rows["threshold"].unique().tolist() == [rows["score"].min()]
        assert rows["decision"].unique().tolist() == ["ID"]


def test_plain_clip_says_that_nothing_decides(detect: Any) -> None:
    ask = [*ASK[:2], "--model", "plain.safetensors", *ASK[4:]]
    status, out, err = detect("photos", *ask)
    assert status == 0
    assert out[0].split() == ["class", "share", "mcm", "threshold", "file"]
    assert err == ["6 images: 6 without a decision; plain CLIP needs a threshold for one: --calibrate FOLDER"]
    assert {line.split()[0] for line in detect("photos", *ask, *CALIBRATE)[1][1:]} == {"ID"}


def test_a_status_for_scripts(detect: Any, folder: Path) -> None:
    saved = ["--detector", "pets.safetensors"]
    assert detect("--save", "pets.safetensors", *ASK, *CALIBRATE)[0] == 0
    assert detect("photos", *saved, "--fail-on-ood")[0] == 0
    (folder / "photos/broken.jpg").write_text("no image")
    assert detect("photos", *saved, "--fail-on-ood")[0] == 3


def test_a_list_of_files_and_of_classes(detect: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "classes").write_text("cat\n\ndog, or hound\n")
    monkeypatch.setattr("sys.stdin", StringIO("photos/3.png\nphotos/1.png\n"))
    status, out, _ = detect("-", "--classes", "classes", *ASK[2:])
    assert {line[7:20].strip() for line in out[1:]} <= {"cat", "dog, or hound"}
    assert status == 0
    assert [line.split()[-1] for line in out[1:]] == ["photos/3.png", "photos/1.png"]


def test_files_that_are_not_there_are_rows_with_the_reason(
    detect: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "photos/away.png").symlink_to("nowhere.png")
    monkeypatch.setattr("sys.stdin", StringIO("missing.png\nphotos/away.png\nphotos/1.png\n"))
    status, _, _ = detect("-", *ASK, "--csv", "rows.csv")
    rows = pd.read_csv("rows.csv")
    assert status == 0
    assert rows["error"].notna().tolist() == [True, True, False]


def test_a_class_that_is_given_twice(detect: Any) -> None:
    _, _, err = detect("photos", "--classes", "cat,dog,cat", *ASK[2:])
    assert err[0] == "classes: number 3 is 'cat', as number 1 is; they are one class"
    assert not any("Warning" in line for line in err)


def test_an_interruption_keeps_the_rows_so_far(detect: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipn.evaluation import detect as module

    def interrupted(*arguments: Any) -> Any:
        yield module.Detection("photos/0.png", "ID", "cat", 0.9, 0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "detect_files", interrupted)
    status, _, err = detect("photos", *ASK, "--csv", "rows.csv")
    assert status == 130
    assert err[-2:] == ["interrupted after 1 of 6 images", "1 image: 1 of the classes (ID)"]
    assert pd.read_csv(folder / "rows.csv")["file"].tolist() == ["photos/0.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "IMAGES: name image files or folders; or --save, to keep a detector without asking it"),
        (["photos"], "--classes: name the classes, or a --detector that was saved, but not both"),
        (
            ["photos", *ASK, "--detector", "x"],
            "--classes: name the classes, or a --detector that was saved, but not both",
        ),
        (["photos", "--classes", "cat"], "--model: name a checkpoint, another weight file, or NAME/TAG of open_clip"),
        (["nothing", *ASK], "nothing: no such file or folder, nor does the pattern fit any; check the path"),
        (["photos", "--classes", "cat,,dog", *ASK[2:]], "classes: number 2 is ''; give every class a name"),
        (["photos", "--classes", "cats.txt", *ASK[2:]], "cats.txt: no such file; check the path, or"),
        (
            ["photos", "--classes", "cat", "--model", "ViT-B-33/x"],
            "model ViT-B-33/x: no file, no folder, and no NAME/TAG",
        ),
        (["photos", *ASK, "--method", "dice"], "method 'dice': choose one of msp,"),
        (["photos", *ASK, "--calibrate", "photos"], "recall 0.95: 6 images are too few; it takes 19 at least"),
    ],
)
def test_mistakes(detect: Any, arguments: list[str], message: str) -> None:
    status, out, err = detect(*arguments)
    assert status == 1
    assert out == []
    assert err[-1].startswith(f"error: {message}")
