"""Prompt pools, a user's too, and class names: sizes, hashes, the released quirks; and what must not import torch."""

import hashlib
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

import clipn.data
from clipn.errors import ClipnError
from clipn.text import prompts
from clipn.text.prompts import (
    NO_POOLS,
    POOLS,
    has_negations,
    imagenet_classnames,
    lines_sha256,
    no_prompt_pool,
    pool_hash,
    pool_name,
    prompt_pool,
)

VIDEO_GAME_LINES = {31: "a {} in a video game.", 36: "the {} in a video game."}
DROPPED_LINES = 16


@pytest.mark.parametrize(
    ("name", "size", "sha256"),
    [
        ("clipn128", 128, "19632c6e00132f9a3d4eaa6ea5f06d1ba019daea1b8ae34c276a05171743799b"),
        ("clipn128_clean", 128, "6bbdbaeb0f12927c352fe31384abb9366319cdc9f3581ac8cbcbce5c7c7fff19"),
    ],
)
def test_released_pools_hash_as_measured(name: str, size: int, sha256: str) -> None:
    assert len(prompt_pool(name)) == size
    assert lines_sha256(prompt_pool(name)) == sha256


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("clipn128", "be9c95fca32386b1ffad706f253dfc95cdf2a7fd0defa159571c86f2c0764017"),
        ("clipn128_clean", "a397ce585c17053ec70d3d9b02511e16c3967811c428fbc90732633a9517e6c5"),
    ],
)
def test_released_negating_pools_hash_as_measured(name: str, sha256: str) -> None:
    assert lines_sha256(no_prompt_pool(name)) == sha256


def test_negating_templates_are_paired_line_by_line() -> None:
    pairs = list(zip(prompt_pool("clipn128_clean"), no_prompt_pool("clipn128_clean"), strict=True))
    assert pairs[0] == ("a bad photo of a {}.", "a bad photo of no {}.")
    assert pairs[30] == ("a {} in a video game.", "no a {} in a video game.")
    assert pairs[35] == ("the {} in a video game.", "the {} not in a video game.")
    assert pairs[64] == ("a bad photo with a {}.", "a bad photo without a {}.")
    assert pairs[94] == ("a {} appearing in a video game.", "a {} not appearing in a video game.")
    assert ("a photo of many {}.", "a photo of no many {}.") in pairs
    assert all(no.count("{}") == 1 and re.search(r"\b(no|not|without)\b", no) for _, no in pairs)


def test_single_negated() -> None:
    assert no_prompt_pool("single") == ["a photo of no {}."]


@pytest.mark.parametrize("name", ["openai80", "nice", "clipn"])
def test_pools_without_a_negation(name: str) -> None:
    error = f"templates: no pool '{name}' that negates; choose one of clipn128, clipn128_clean, single"
    with pytest.raises(ClipnError, match=error):
        no_prompt_pool(name)
    assert set(NO_POOLS) < set(POOLS)


def test_the_80_templates_are_those_of_openai() -> None:
    named = [template.replace("{}", "{c}") for template in prompt_pool("openai80")]
    assert len(named) == 80
    assert lines_sha256(named) == "639a1cf9e5e9f6bb6806145a01767bf24ea262e4311edec9db31fa73ad1a7dc5"


def test_single() -> None:
    assert prompt_pool("single") == ["a photo of a {}."]


def test_that_of_neglabel() -> None:
    assert prompt_pool("nice") == ["The nice {}."]


@pytest.mark.parametrize("name", list(POOLS))
def test_every_template_takes_one_name(name: str) -> None:
    assert all(template.count("{}") == 1 for template in prompt_pool(name))
    assert all("{" not in template.format("tench") for template in prompt_pool(name))


def test_every_released_line_is_quoted_and_two_have_a_stray_comma() -> None:
    pool = prompt_pool("clipn128")
    assert [number for number, line in enumerate(pool, 1) if line.endswith("',")] == [35, 99]
    assert [line.removesuffix(",") for line in pool] == [f"'{line}'" for line in prompt_pool("clipn128_clean")]


def test_second_half_says_with_and_the_video_games_appearing() -> None:
    pool = prompt_pool("clipn128_clean")
    for number, (first, second) in enumerate(zip(pool[:64], pool[64:], strict=True), 1):
        if number in VIDEO_GAME_LINES:
            assert first == VIDEO_GAME_LINES[number]
            assert second == first.replace(" in ", " appearing in ")
        else:
            assert second == first.replace(" of ", " with ") != first


def test_first_half_is_openai_less_sixteen() -> None:
    openai, first = prompt_pool("openai80"), prompt_pool("clipn128_clean")[:64]
    dropped = [template for template in openai if template not in first]
    assert [template for template in openai if template in first] == first
    assert len(dropped) == DROPPED_LINES
    assert {"art of the {}.", "itap of my {}.", "a photo of a hard to see {}."} < set(dropped)


def test_class_names() -> None:
    names = imagenet_classnames()
    twice = {name for name, times in Counter(names).items() if times > 1}
    assert len(names) == 1000
    assert names[0] == "tench"
    assert {name: [row for row, other in enumerate(names) if other == name] for name in twice} == {
        "missile": [657, 744],
        "sunglasses": [836, 837],
    }
    assert lines_sha256(names) == "8800e39242cbed4c6889376e20a49cfdaf4f84a773a6686d15c3b39972ef94c4"


def test_lists_that_open_clip_changed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = SimpleNamespace(IMAGENET_CLASSNAMES=["tench"], OPENAI_IMAGENET_TEMPLATES=["a {}.".format])
    monkeypatch.setattr(prompts, "_metadata", lambda: changed)
    with pytest.raises(ClipnError, match="class names differ from the released ones"):
        imagenet_classnames()
    for pool in (prompt_pool, no_prompt_pool):
        with pytest.raises(ClipnError, match="prompt templates differ from the released ones"):
            pool("clipn128")


def test_unknown_pool() -> None:
    with pytest.raises(ClipnError, match="no pool 'clipn'; choose one of clipn128, clipn128_clean, openai80, single"):
        prompt_pool("clipn")


# Files of a user


def written(path: Path, text: str | bytes) -> str:
    """The name of a file with this text."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize("text", ["a {}.\nmy {}\n", "a {}.\nmy {}", "a {}.\r\nmy {}\r\n", "\ufeffa {}.\nmy {}\n"])
def test_a_file_is_a_pool(tmp_path: Path, text: str) -> None:
    pool = written(tmp_path / "my-pool_2.txt", text)
    assert prompt_pool(pool) == ["a {}.", "my {}"]
    assert pool_name(pool) == "my-pool_2"
    assert not has_negations(pool)


def test_a_file_with_its_negations(tmp_path: Path) -> None:
    pool = written(tmp_path / "my.txt", "a {}, größer\nmy {}\n")
    written(tmp_path / "my_no.txt", "no {}, größer\nnot my {}\n")
    assert has_negations(pool)
    assert prompt_pool(pool) == ["a {}, größer", "my {}"]
    assert no_prompt_pool(pool) == ["no {}, größer", "not my {}"]


@pytest.mark.parametrize("name", list(POOLS))
def test_what_is_known_of_the_built_in_pools(name: str) -> None:
    assert pool_name(name) == name
    assert has_negations(name) == (name in ("clipn128", "clipn128_clean", "single"))


def test_a_hash_tells_every_change(tmp_path: Path) -> None:
    pool = written(tmp_path / "my.txt", "a {}\nthe {}\n")
    alone = pool_hash(pool)
    written(tmp_path / "my_no.txt", "no {}\nnot the {}\n")
    paired = pool_hash(pool)
    written(tmp_path / "my_no.txt", "no {}\nnot a {}\n")
    edited = pool_hash(pool)
    assert alone == hashlib.sha256(b"a {}\nthe {}\n\n").hexdigest()
    assert paired == hashlib.sha256(b"a {}\nthe {}\n\nno {}\nnot the {}\n").hexdigest()
    assert len({alone, paired, edited, *map(pool_hash, POOLS)}) == 3 + len(POOLS)
    assert pool_hash("single") == hashlib.sha256(b"a photo of a {}.\n\na photo of no {}.\n").hexdigest()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "line 1 needs one {} for the class name and no other brace"),
        ("a {}\n\nthe {}\n", "line 2 needs one {}"),
        ("a {}\n \n", "line 2 needs one {}"),
        ("a {}\n\n", "line 2 needs one {}"),
        ("a dog\n", "line 1 needs one {}"),
        ("a {} {}\n", "line 1 needs one {}"),
        ("a {name}\n", "line 1 needs one {}"),
        ("a {} {0}\n", "line 1 needs one {}"),
        ("a {{}}\n", "line 1 needs one {}"),
        ("a {} }\n", "line 1 needs one {}"),
        ("gr\u00f6\u00dfer {}\n".encode("latin-1"), "is not UTF-8 text; save it as such"),
    ],
)
def test_files_that_are_no_pool(tmp_path: Path, text: str | bytes, error: str) -> None:
    pool = written(tmp_path / "my.txt", text)
    with pytest.raises(ClipnError, match=re.escape(f"my.txt: {error}")):
        prompt_pool(pool)


def test_negations_that_do_not_fit(tmp_path: Path) -> None:
    pool = written(tmp_path / "my.txt", "a {}\nthe {}\n")
    with pytest.raises(ClipnError, match=r"my_no\.txt: no such file"):
        no_prompt_pool(pool)
    written(tmp_path / "my_no.txt", "no {}\n")
    with pytest.raises(ClipnError, match=r"my_no\.txt: 1 against 2 lines of .*my\.txt; write a negation"):
        no_prompt_pool(pool)
    written(tmp_path / "my_no.txt", "no {}\nnot the\n")
    with pytest.raises(ClipnError, match=r"my_no\.txt: line 2 needs one"):
        no_prompt_pool(pool)
    with pytest.raises(ClipnError, match=r"none\.txt: no such file"):
        prompt_pool(str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("clipn128.txt", "clipn128 is the name of a built-in pool; rename the file"),
        ("my pool.txt", "a pool is called by letters, digits, `_` and `-` only; rename the file"),
        ("a.b.txt", "a pool is called by letters"),
        ("größe.txt", "a pool is called by letters"),
        (".txt", "a pool is called by letters"),
    ],
)
def test_files_whose_name_suits_no_path(file: str, error: str) -> None:
    with pytest.raises(ClipnError, match=re.escape(f"{file}: {error}")):
        pool_name(f"pools/{file}")


def test_steps_without_torch_do_not_import_it() -> None:
    of_data = [f"clipn.data.{module.name}" for module in pkgutil.iter_modules(clipn.data.__path__)]
    modules = [
        "clipn.cli.main",
        "clipn.study.config",
        "clipn.evaluation.evaluate",
        "clipn.text.prompts",
        "clipn.report.tables.build",
        "clipn.study.loading",
    ]
    code = f"import sys, {', '.join(modules + of_data)}; print('torch' in sys.modules, 'open_clip' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]
