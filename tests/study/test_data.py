from pathlib import Path

import pytest
import yaml

from clipn.data.registry import load_registry
from clipn.errors import ClipnError
from clipn.study.config import Study
from clipn.study.data import StudyData
from tests.helpers.studies import GENERATED, paths

LIST = {"archive": {"file": "list.csv"}, "reader": "ninco", "images": 3}
SUN = {
    "title": "SUN",
    "reader": "flat",
    "archives": [{"file": "SUN.tar", "sha256": "0" * 64}, {"file": "extra.tar"}],
    "cleaning": {"people": LIST},
}


def data(folder: Path, mirror: str | None = None, **fields: object) -> StudyData:
    path = folder / "registry.yaml"
    records = {"sun": SUN | fields, "cifar10": {"title": "C", "reader": "cifar", "folder": "own"}}
    path.write_text(yaml.safe_dump({"datasets": records}))
    study = {
        "study": "s",
        "registry": str(path),
        "mirror": mirror,
        "cleaning": ["people"],
        "backbones": {"tiny": {"architecture": "ViT-B-32", "pretrained": "x"}},
        "variants": {"v": {"epochs": 0}},
        "runs": [{"backbone": "tiny", "variant": "v", "seeds": [1]}],
        "captions": {"sources": ["c"]},
        "pairs": {"cifar10": ["sun"]},
    }
    return StudyData(Study.model_validate(study))


@pytest.mark.parametrize(
    ("files", "is_unpacked"),
    [
        ([], False),
        (["SUN.tar"], False),
        (["sun/SUN.tar"], False),
        (["sun/extra.tar"], False),
        (["sun/list.csv"], False),
        (["sun/.hidden"], False),
        (["sun/images/0.jpg"], True),
        (["sun/extra.tar", "sun/0.jpg"], True),
    ],
)
def test_a_folder_of_the_mirror_is_an_unpacked_copy_if_it_holds_more_than_archives(
    tmp_path: Path, files: list[str], is_unpacked: bool
) -> None:
    mirror = tmp_path / "mirror"
    for name in files:
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).touch()
    found = data(tmp_path, str(mirror))
    assert found.unpacked("sun") == (mirror / "sun" if is_unpacked else None)
    assert found.files("sun") == (["extra.tar"] if is_unpacked else ["SUN.tar", "extra.tar"])
    assert found.files("sun", cleaning=True)[-1] == "list.csv"


def test_what_is_read_in_place(tmp_path: Path) -> None:
    found = data(tmp_path)
    assert found.in_place("cifar10") == [tmp_path / "own"]
    assert found.in_place("sun") == []


WORDS = ({"terms": "free"}, {"note": "x"}, {"source": "y"}, {"layout": "z"})


@pytest.mark.parametrize("fields", WORDS)
def test_words_for_people_change_nothing(tmp_path: Path, fields: dict[str, object]) -> None:
    assert data(tmp_path, **fields).expectation("sun") == data(tmp_path).expectation("sun")


@pytest.mark.parametrize(
    ("fields", "images_change"),
    [
        ({"title": "Sun"}, False),
        ({"images": 7}, False),
        ({"names_sha256": "1" * 64}, False),
        ({"cleaning": {"people": LIST | {"images": 4}}}, False),
        ({"select": {"stop": 3}}, True),
        ({"reader": "folders"}, True),
        ({"archives": [{"file": "SUN.tar", "sha256": "1" * 64}]}, True),
    ],
)
def test_what_is_expected_is_proven_again_and_images_are_encoded_again_only_if_they_may_differ(
    tmp_path: Path, fields: dict[str, object], images_change: bool
) -> None:
    plain = data(tmp_path)
    before, identity = plain.expectation("sun"), load_registry(tmp_path / "registry.yaml").datasets["sun"].identity
    assert data(tmp_path, **fields).expectation("sun") != before
    changed = load_registry(tmp_path / "registry.yaml").datasets["sun"].identity
    assert (changed != identity) is images_change


def test_a_new_address_is_no_new_archive(tmp_path: Path) -> None:
    plain = data(tmp_path).archive("sun", "SUN.tar").identity
    moved = [{"file": "SUN.tar", "sha256": "0" * 64, "addresses": ["http://127.0.0.1/SUN.tar"]}]
    assert data(tmp_path, archives=moved).archive("sun", "SUN.tar").identity == plain


# Own images beside the demo's


def test_the_demo_and_a_registry_are_one_for_a_study(tmp_path: Path) -> None:
    own = {"title": "Pets", "reader": "folders", "folder": "pets", "images": 9}
    (registry := tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"pets": own}}))
    found = paths(GENERATED, registry=str(registry), pairs={"pets": ["sun"]})
    assert {"sun", "cc3m", "pets"} < {*found.data.names}
    assert (found.data.is_generated("sun"), found.data.is_generated("pets")) == (True, False)
    assert found.data.record("sun") is None
    assert found.data.in_place("pets") == [tmp_path / "pets"]
    assert found.registries("pets") == [str(registry)]
    assert found.registries("pets", "sun") == [found.generated_registry, str(registry)]
    assert (found.generated_registries("pets"), found.mirrored_archive("pets", "x.tar")) == ([], [])
    assert found.mirrored_archive("sun", "SUN.tar.gz") == [f"{found.mirror}/SUN.tar.gz"]
    assert not any("pets" in file for file in found.mirrored)


def test_a_name_of_the_demo_is_taken(tmp_path: Path) -> None:
    (registry := tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"sun": SUN}}))
    with pytest.raises(ClipnError, match=f"^{registry}: sun: is the name of what the demo generates; choose another$"):
        paths(GENERATED, registry=str(registry))


# Small datasets, which one job encodes together


@pytest.mark.parametrize(
    ("sizes", "is_small"),
    [
        ([64_000_000], True),
        ([64_000_001], False),
        ([60_000_000, 4_000_000], True),
        ([60_000_000, 4_000_001], False),
        ([1, None], False),  # nobody knows
    ],
)
def test_a_dataset_of_few_bytes_is_small(tmp_path: Path, sizes: list[int | None], is_small: bool) -> None:
    archives = [{"file": f"{number}.tar", "bytes": size} for number, size in enumerate(sizes)]
    assert data(tmp_path, archives=archives).is_small("sun") is is_small


def test_a_dataset_that_is_read_in_place_may_be_large(tmp_path: Path) -> None:
    mirror, archives = tmp_path / "mirror", [{"file": "SUN.tar", "bytes": 1}]
    assert not data(tmp_path).is_small("cifar10")
    assert data(tmp_path, str(mirror), archives=archives).is_small("sun")
    (mirror / "sun").mkdir(parents=True)
    (mirror / "sun/0.jpg").touch()
    assert not data(tmp_path, str(mirror), archives=archives).is_small("sun")


def test_generated_datasets_are_small() -> None:
    assert all(map(paths(GENERATED).data.is_small, ("imagenet", "sun", "cifar100")))
