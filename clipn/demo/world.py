"""The generated world: concepts of a colour and a figure, their pictures and their captions."""

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from functools import cache
from math import cos, sin, tau

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from clipn.demo.figures import FIGURES, OBJECTS, SCENES, TEXTURES, UPRIGHT, Plane
from clipn.text.prompts import prompt_pool

# Difficulty of recognition; the demo's numbers depend on these.
PIXEL_NOISE = 0.05  # standard deviation, full range 1
HUE_JITTER = 0.022  # half width, full circle 1
BRIGHTNESS_JITTER = 0.15  # half width, relative
POSE_JITTER = 0.5  # multiplies the spread of every pose
FAINTEST_FIGURE = 0.8  # lowest opacity of the named figure
EDGE_SOFTNESS = 0.15  # width of an edge, half the picture is 1
BACKGROUND_CONTRAST = 0.3  # largest difference in brightness across the background
COMPANION_PROBABILITY = 0.3
COMPANION_OPACITY = 0.7
BACKGROUND_TOLD = 0.5  # share of captions that name the background

# Each concept belongs to one dataset; its position there is its label.
CONCEPTS: dict[str, tuple[str, ...]] = {
    "imagenet": (
        "red circle", "red cross", "red star", "blue ring", "blue square", "blue heart", "green triangle",
        "green cross", "yellow circle", "yellow star", "purple ring", "purple diamond", "orange square",
        "white moon", "black arrow",
    ),
    "cifar10": (
        "red square", "red triangle", "blue circle", "blue star", "green heart", "green ring", "yellow cross",
        "yellow moon", "purple arrow", "white diamond",
    ),
    "cifar100": (
        "orange circle", "orange triangle", "pink heart", "pink ring", "cyan square", "cyan star",
        "white cross", "black diamond", "purple moon", "green arrow",
    ),
    "inaturalist": ("yellow flower", "purple flower", "green leaf", "orange mushroom"),
    "sun": ("blue lake", "green hills", "orange sunset", "yellow dunes"),
    "places": ("white mountains", "black skyline", "green forest", "red houses"),
    "textures": ("blue stripes", "red checks", "white dots", "purple waves"),
    "imagenet_resize": ("yellow heart", "orange ring", "blue cross", "pink triangle"),
    "lsun_resize": ("pink window", "black door", "cyan stairs", "orange lamp"),
}  # fmt: skip

COLOURS = {
    "red": (0.0, 0.88, 0.85),
    "orange": (0.075, 0.92, 0.95),
    "yellow": (0.15, 0.85, 0.95),
    "green": (0.35, 0.8, 0.6),
    "cyan": (0.5, 0.75, 0.9),
    "blue": (0.63, 0.82, 0.82),
    "purple": (0.77, 0.7, 0.62),
    "pink": (0.91, 0.42, 0.98),
    "white": (0.0, 0.0, 0.98),
    "black": (0.0, 0.0, 0.05),
}  # hue, saturation, value

ALL_CONCEPTS = tuple(f"{colour} {figure}" for colour in COLOURS for figure in FIGURES)
"""What captions tell of: every colour with every figure, most of them in no dataset."""

BACKGROUNDS = {
    "grey": (0.0, 0.0, 0.5),
    "brown": (0.07, 0.45, 0.42),
    "beige": (0.1, 0.2, 0.78),
    "navy": (0.62, 0.5, 0.28),
    "olive": (0.19, 0.45, 0.42),
    "teal": (0.49, 0.4, 0.45),
    "maroon": (0.97, 0.45, 0.35),
    "lilac": (0.76, 0.22, 0.72),
}  # hue, saturation, value

BACKDROPS = ("on a {} background", "in front of a {} wall", "against something {}", "with {} behind it")
BESIDES = ("and a small {}", "beside a little {}", "with a tiny {} in the corner", "next to a small {}")


@dataclass(frozen=True)
class Pose:
    """Spread of a figure's position: turn in radians, scale and shift in half pictures."""

    turn: float
    scale: float
    scale_spread: float
    shift: float


OBJECT_POSE = Pose(turn=0.35, scale=0.66, scale_spread=0.14, shift=0.22)
UPRIGHT_POSE = Pose(turn=0.15, scale=0.76, scale_spread=0.12, shift=0.15)
SCENE_POSE = Pose(turn=0.05, scale=1.0, scale_spread=0.15, shift=0.15)
TEXTURE_POSE = Pose(turn=0.4, scale=1.0, scale_spread=0.2, shift=1.0)
POSES = (
    dict.fromkeys(OBJECTS, OBJECT_POSE)
    | dict.fromkeys(UPRIGHT, UPRIGHT_POSE)
    | dict.fromkeys(SCENES, SCENE_POSE)
    | dict.fromkeys(TEXTURES, TEXTURE_POSE)
)
COMPANION_POSE = Pose(turn=0.35, scale=0.3, scale_spread=0.05, shift=0.75)


@dataclass(frozen=True)
class Scene:
    """What a picture shows and its caption tells.

    Attributes:
        concept: the named thing; the label.
        background: a key of `BACKGROUNDS`.
        companion: a concept drawn small beside it, or None.
    """

    concept: str
    background: str
    companion: str | None

    @property
    def figure(self) -> str:
        """The concept's second word."""
        return self.concept.split()[1]


def imagine(concept: str, rng: Generator) -> Scene:
    """A random scene with this concept."""
    background = list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))]
    companion = None
    if rng.random() < COMPANION_PROBABILITY:
        others = [other for other in ALL_CONCEPTS if other != concept and other.split()[1] in OBJECTS]
        companion = others[rng.integers(len(others))]
    return Scene(concept, background, companion)


def render(scene: Scene, rng: Generator, size: int) -> NDArray[np.uint8]:
    """Draw a scene: (size, size, 3) RGB."""
    # The background is a muted colour in [0, 1] whose brightness changes linearly.
    direction, contrast = rng.uniform((0, 0), (tau, BACKGROUND_CONTRAST))
    x, y = _plane(size)
    shade = 1 + contrast / 2 * (cos(direction) * x + sin(direction) * y)
    canvas: Plane = shade[..., None] * _jittered(*BACKGROUNDS[scene.background], rng)
    opacity = rng.uniform(FAINTEST_FIGURE, 1)
    _draw(canvas, scene.concept, opacity, POSES[scene.figure], rng)
    if scene.companion is not None:
        _draw(canvas, scene.companion, COMPANION_OPACITY, COMPANION_POSE, rng)
    canvas += PIXEL_NOISE * rng.standard_normal(canvas.shape)
    return (np.clip(canvas, 0, 1) * 255).round().astype(np.uint8)


def caption(scene: Scene, rng: Generator) -> str:
    """A sentence that holds the concept's two words next to each other, begun as prompts begin.

    Some captions name the background, if the picture shows one; all name the companion.
    """
    parts = [_pick(_openings(), rng).format(scene.concept).rstrip(".")]
    if (scene.figure in OBJECTS or scene.figure in UPRIGHT) and rng.random() < BACKGROUND_TOLD:
        parts.append(_pick(BACKDROPS, rng).format(scene.background))
    if scene.companion is not None:
        parts.append(_pick(BESIDES, rng).format(scene.companion))
    return " ".join(parts) + "."


@cache
def _openings() -> list[str]:
    return prompt_pool("clipn128_clean")


def _pick(choices: Sequence[str], rng: Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _draw(canvas: Plane, concept: str, opacity: float, pose: Pose, rng: Generator) -> None:
    """Lay a concept's figure over the canvas (size, size, 3), turned, scaled and shifted at random around `pose`."""
    colour, figure = concept.split()
    turn, scale_change, right, up = POSE_JITTER * rng.uniform(-1, 1, size=4)
    scale = pose.scale + scale_change * pose.scale_spread
    across, along = cos(turn * pose.turn) / scale, sin(turn * pose.turn) / scale
    x, y = _plane(len(canvas))
    x, y = x - right * pose.shift, y - up * pose.shift
    # The plane was divided by the scale, so distances are multiplied by it: edges are equally soft at every size.
    distance = scale * FIGURES[figure](across * x + along * y, across * y - along * x)
    cover = np.clip(0.5 - distance / EDGE_SOFTNESS, 0, 1)
    canvas += opacity * cover[..., None] * (_jittered(*COLOURS[colour], rng) - canvas)


@cache
def _plane(size: int) -> tuple[Plane, Plane]:
    """Pixel centres of the picture, which spans [-1, 1] in x and y."""
    line = (np.arange(size) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(line, -line)
    return x, y


def _jittered(hue: float, saturation: float, value: float, rng: Generator) -> NDArray[np.float64]:
    """RGB in [0, 1] of a colour with a little change of hue and brightness."""
    hue += rng.uniform(-HUE_JITTER, HUE_JITTER)
    value *= 1 + rng.uniform(-BRIGHTNESS_JITTER, BRIGHTNESS_JITTER)
    return np.array(hsv_to_rgb(hue % 1, saturation, min(value, 1)))
