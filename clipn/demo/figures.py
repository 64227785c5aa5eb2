"""Shapes as signed distances: negative inside, positive outside, x to the right and y upwards.

Objects fit the unit circle; scenes and textures are defined on the whole plane.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
Distance = Callable[[Plane, Plane], Plane]


def union(*distances: Plane) -> Plane:
    """Inside any of the shapes."""
    return reduce(np.minimum, distances)


def intersection(*distances: Plane) -> Plane:
    """Inside all of the shapes."""
    return reduce(np.maximum, distances)


def box(x: Plane, y: Plane, width: float, height: float) -> Plane:
    """Axis-parallel rectangle around the origin, given by its half sides."""
    return intersection(np.abs(x) - width, np.abs(y) - height)


def period(x: Plane, length: float) -> Plane:
    """Fold the line into [-length / 2, length / 2)."""
    return np.mod(x + length / 2, length) - length / 2


# Objects


def circle(x: Plane, y: Plane) -> Plane:
    return np.hypot(x, y) - 0.85


def square(x: Plane, y: Plane) -> Plane:
    return box(x, y, 0.75, 0.75)


def triangle(x: Plane, y: Plane) -> Plane:
    return intersection(0.87 * np.abs(x) + 0.5 * y, -y - 0.1) - 0.5


def cross(x: Plane, y: Plane) -> Plane:
    return union(box(x, y, 0.95, 0.28), box(x, y, 0.28, 0.95))


def ring(x: Plane, y: Plane) -> Plane:
    return np.abs(np.hypot(x, y) - 0.7) - 0.2


def star(x: Plane, y: Plane) -> Plane:
    angle = np.abs(period(np.arctan2(x, y), 2 * np.pi / 5))
    radius = np.hypot(x, y)
    return 0.6 * radius * np.cos(angle) + 0.8 * radius * np.sin(angle) - 0.6


def heart(x: Plane, y: Plane) -> Plane:
    return np.hypot(x, 1.2 * y - 0.85 * np.sqrt(np.abs(x)) + 0.25) - 0.8


def diamond(x: Plane, y: Plane) -> Plane:
    return 0.84 * np.abs(x) + 0.54 * np.abs(y) - 0.5


def moon(x: Plane, y: Plane) -> Plane:
    return intersection(np.hypot(x + 0.1, y) - 0.85, 0.72 - np.hypot(x - 0.4, y - 0.1))


def arrow(x: Plane, y: Plane) -> Plane:
    head = intersection(0.71 * (x + np.abs(y)) - 0.66, 0.1 - x)
    return union(head, box(x + 0.4, y, 0.55, 0.2))


# Plants


def flower(x: Plane, y: Plane) -> Plane:
    above = y - 0.3
    radius = np.hypot(x, above)
    petals = intersection(radius - 0.48 - 0.17 * np.cos(5 * np.arctan2(x, above)), 0.16 - radius)
    return union(petals, box(x, y + 0.6, 0.07, 0.4))


def leaf(x: Plane, y: Plane) -> Plane:
    along, across = 0.71 * (x + y), 0.71 * (x - y)
    blade = np.hypot(np.abs(across) + 0.55, along - 0.1) - 1.0
    vein = 0.05 - np.abs(across)
    return union(intersection(blade, vein), box(across, along + 0.75, 0.07, 0.3))


def mushroom(x: Plane, y: Plane) -> Plane:
    cap = intersection(np.hypot(x, 1.1 * y) - 0.9, -y)
    return union(cap, box(x, y + 0.42, 0.22, 0.45))


# Scenes


def lake(x: Plane, y: Plane) -> Plane:
    water = np.hypot(0.35 * x, 1.2 * (y + 0.35)) - 0.42
    island = 0.16 - np.hypot(0.5 * (x - 0.35), 1.3 * (y + 0.3))
    return intersection(water, island)


def hills(x: Plane, y: Plane) -> Plane:
    far = y - 0.12 - 0.2 * np.sin(2.6 * x + 1.0)
    near = y + 0.4 - 0.18 * np.sin(3.3 * x - 1.2)
    return intersection(far, 0.05 - np.abs(near))


def sunset(x: Plane, y: Plane) -> Plane:
    sun = intersection(np.hypot(x, y) - 0.55, -y)
    glitter = intersection(np.abs(period(y, 0.28)) - 0.07, np.abs(x) - 0.75 - 0.5 * y, y + 0.05)
    return union(sun, glitter)


def dunes(x: Plane, y: Plane) -> Plane:
    crest = 0.45 * np.abs(period(x + 0.7 * y, 1.3))
    return intersection(y - 0.25 + crest, 0.06 - np.abs(y + 0.4 - 0.3 * np.sin(2.0 * x)))


def mountains(x: Plane, y: Plane) -> Plane:
    tall = 0.6 - 1.5 * np.abs(period(x, 1.3))
    low = 0.1 - 1.3 * np.abs(period(x - 0.6, 0.9))
    return intersection(0.6 * (y - intersection(tall, low)), -y - 0.6)


def skyline(x: Plane, y: Plane) -> Plane:
    roofs = np.array([0.5, -0.15, 0.2, 0.75, -0.3, 0.35, 0.0, 0.6])
    towers = y - roofs[np.floor(3 * x).astype(int) % len(roofs)]
    return intersection(towers, 0.05 - np.hypot(period(x - 0.17, 1 / 3), period(y, 0.35)))


def forest(x: Plane, y: Plane) -> Plane:
    across = np.abs(period(x, 0.6))
    crown = intersection(0.9 * across + 0.35 * (y - 0.6), -y - 0.4)
    return union(crown, intersection(across - 0.06, np.abs(y + 0.55) - 0.2))


def houses(x: Plane, y: Plane) -> Plane:
    across = period(x, 0.95)
    walls = intersection(box(across, y + 0.4, 0.3, 0.35), 0.1 - np.hypot(across, y + 0.3))
    roof = intersection(0.7 * (np.abs(across) + y - 0.4), -y)
    return union(walls, roof)


# Rooms


def window(x: Plane, y: Plane) -> Plane:
    frame = np.abs(box(x, y, 0.62, 0.8)) - 0.09
    bars = union(np.abs(x), np.abs(y)) - 0.07
    return union(frame, intersection(bars, box(x, y, 0.62, 0.8)))


def door(x: Plane, y: Plane) -> Plane:
    return intersection(box(x, y, 0.45, 0.95), 0.13 - np.hypot(x - 0.2, y))


def stairs(x: Plane, y: Plane) -> Plane:
    return y + 0.1 - np.floor(2.5 * x) / 2.5


def lamp(x: Plane, y: Plane) -> Plane:
    shade = intersection(0.9 * np.abs(x) + 0.4 * y - 0.65, np.abs(y - 0.5) - 0.4)
    return union(shade, box(x, y + 0.3, 0.07, 0.5), box(x, y + 0.85, 0.4, 0.09))


# Textures


def stripes(x: Plane, y: Plane) -> Plane:
    return np.abs(period(x, 0.7)) - 0.175


def checks(x: Plane, y: Plane) -> Plane:
    return 0.25 * np.sin(4.5 * x) * np.sin(4.5 * y)


def dots(x: Plane, y: Plane) -> Plane:
    return np.hypot(period(x, 0.66), period(y, 0.66)) - 0.2


def waves(x: Plane, y: Plane) -> Plane:
    return np.abs(period(y + 0.18 * np.sin(5 * x), 0.6)) - 0.15


OBJECTS: dict[str, Distance] = {
    figure.__name__: figure for figure in (circle, square, triangle, cross, ring, star, heart, diamond, moon, arrow)
}
UPRIGHT: dict[str, Distance] = {figure.__name__: figure for figure in (flower, leaf, mushroom, window, door, lamp)}
SCENES: dict[str, Distance] = {
    figure.__name__: figure for figure in (lake, hills, sunset, dunes, mountains, skyline, forest, houses, stairs)
}
TEXTURES: dict[str, Distance] = {figure.__name__: figure for figure in (stripes, checks, dots, waves)}
FIGURES = OBJECTS | UPRIGHT | SCENES | TEXTURES
