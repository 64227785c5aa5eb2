"""Imports point downwards only: from a layer to those below it."""

import ast

import pytest

from benchmarks.house import ROOT, arrows, floors, imported, modules

LAYERS = [
    {"cli"},
    {"planning", "provenance"},
    {"report"},
    {"study", "clipn"},
    {"evaluation", "training"},
    {"features"},
    {"demo"},
    {"data"},
    {"model", "text", "scores", "metrics", "adaptation"},
    {
        "errors",
        "files",
        "plain_text",
        "progress",
        "garbage",
        "iteration",
        "compute",
        "fingerprint",
        "losses",
        "yaml_models",
    },
]
"""From the top down; `clipn` is the package itself, which forwards two names."""
GROUND = LAYERS[-1]
Rooms = dict[str, set[str]]


@pytest.fixture(scope="module")
def rooms() -> Rooms:
    """Rooms that every room imports from."""
    return arrows(ROOT)


def test_every_room_is_in_a_layer(rooms: Rooms) -> None:
    assert set().union(*LAYERS) == rooms.keys() - {"benchmarks"}


def test_no_room_imports_one_beside_or_above_it(rooms: Rooms) -> None:
    for number, layer in enumerate(LAYERS[:-1]):
        below = set[str]().union(*LAYERS[number + 1 :])
        for room in layer:
            assert rooms[room] <= below, room


def test_the_ground_floor_imports_nothing_above_it(rooms: Rooms) -> None:
    for room in GROUND:
        assert rooms[room] <= GROUND, room


def test_there_are_no_circles(rooms: Rooms) -> None:
    known = modules(ROOT)
    imports = {name: {*imported(ast.parse(file.read_text()), known)} - {name} for name, file in known.items()}
    for graph in (rooms, imports):
        assert set[str]().union(*floors(graph)) == graph.keys()


def test_nothing_but_the_command_line_imports_the_command_line(rooms: Rooms) -> None:
    """So no step's result needs `cli/`, whose code is in no fingerprint; what measures commands asks it for them."""
    assert {room for room, uses in rooms.items() if "cli" in uses} == {"benchmarks"}
