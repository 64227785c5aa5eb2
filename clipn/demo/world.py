"""The generated world: concepts of a colour and a figure, their pictures and their captions."""

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from functools import cache
from math import cos, sin, tau

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from clipn.demo.figures import FIGURES, OBJECTS, SCENES, UPRIGHT, Distance, Plane

# Difficulty of recognition; the demo's numbers depend on these.
PIXEL_NOISE = 0.07  # standard deviation, full range 1
HUE_JITTER = 0.022  # half width, full circle 1
BRIGHTNESS_JITTER = 0.2  # half width, relative
POSE_JITTER = 1.25  # multiplies the spread of every pose
FAINTEST_FIGURE = 0.5  # lowest opacity of the named figure
EDGE_SOFTNESS = 0.15  # width of an edge, half the picture is 1
BACKGROUND_CONTRAST = 0.3  # largest difference in brightness across the background
DISTRACTOR_PROBABILITY = 0.5
DISTRACTOR_STRENGTH = 0.6  # opacity

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
ALL_CONCEPTS = tuple(concept for concepts in CONCEPTS.values() for concept in concepts)

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

SENTENCES = (
    "a photo of {}",
    "a picture of {}",
    "here we see {}",
    "{} {place}",
    "{} on {backdrop}",
    "a drawing of {} {place}",
    "a close view of {} on {backdrop}",
    "an image that shows {}",
    "we can see {} {place} on {backdrop}",
    "someone made a small picture of {}",
    "{} in front of {backdrop}",
    "look at {}",
)
PLACES = (
    "in the middle",
    "near the centre",
    "a little to the side",
    "seen from the front",
    "at a slight angle",
)
BACKDROPS = ("a plain background", "a soft background", "a dim wall", "a hazy backdrop", "a blurry surface")
PLURALS = {"hills", "dunes", "mountains", "houses", "stairs", "stripes", "checks", "dots", "waves"}


@dataclass(frozen=True)
class Pose:
    """Spread of a figure's place: turn in radians, scale and shift in half pictures."""

    turn: float
    scale: float
    scale_spread: float
    shift: float


OBJECT_POSE = Pose(turn=0.35, scale=0.66, scale_spread=0.14, shift=0.22)
UPRIGHT_POSE = Pose(turn=0.15, scale=0.76, scale_spread=0.12, shift=0.15)
SCENE_POSE = Pose(turn=0.05, scale=1.0, scale_spread=0.15, shift=0.15)
TEXTURE_POSE = Pose(turn=0.4, scale=1.0, scale_spread=0.2, shift=1.0)
DISTRACTOR_POSE = Pose(turn=0.35, scale=0.3, scale_spread=0.05, shift=0.75)


def render(concept: str, rng: Generator, size: int) -> NDArray[np.uint8]:
    """Draw a concept on a muted background: (size, size, 3) RGB."""
    colour, figure = concept.split()
    canvas = _background(rng, size)
    if rng.random() < DISTRACTOR_PROBABILITY:
        other_colour, other_figure = _other_object(concept, rng).split()
        cover = _cover(FIGURES[other_figure], DISTRACTOR_POSE, rng, size)
        _paint(canvas, DISTRACTOR_STRENGTH * cover, _jittered(other_colour, rng))
    opacity = rng.uniform(FAINTEST_FIGURE, 1)
    _paint(canvas, opacity * _cover(FIGURES[figure], _pose(figure), rng, size), _jittered(colour, rng))
    canvas += PIXEL_NOISE * rng.standard_normal(canvas.shape)
    return (np.clip(canvas, 0, 1) * 255).round().astype(np.uint8)


def caption(concept: str, rng: Generator) -> str:
    """A lower-case sentence that contains the concept's two words next to each other."""
    figure = concept.split()[1]
    article = "some" if figure in PLURALS else "an" if concept[0] in "aeiou" else "a"
    sentence = SENTENCES[rng.integers(len(SENTENCES))]
    place, backdrop = PLACES[rng.integers(len(PLACES))], BACKDROPS[rng.integers(len(BACKDROPS))]
    return sentence.format(f"{article} {concept}", place=place, backdrop=backdrop)


@cache
def _plane(size: int) -> tuple[Plane, Plane]:
    """Pixel centres of the picture, which spans [-1, 1] in x and y."""
    line = (np.arange(size) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(line, -line)
    return x, y


def _background(rng: Generator, size: int) -> Plane:
    """A muted colour with a linear change of brightness: (size, size, 3) in [0, 1]."""
    hue, saturation, value = rng.uniform((0, 0, 0.3), (1, 0.3, 0.7))
    direction, contrast = rng.uniform((0, 0), (tau, BACKGROUND_CONTRAST))
    x, y = _plane(size)
    shade = 1 + contrast / 2 * (cos(direction) * x + sin(direction) * y)
    canvas: Plane = shade[..., None] * np.array(hsv_to_rgb(hue, saturation, value))
    return canvas


def _other_object(concept: str, rng: Generator) -> str:
    others = [other for other in ALL_CONCEPTS if other != concept and other.split()[1] in OBJECTS]
    return others[rng.integers(len(others))]


def _pose(figure: str) -> Pose:
    if figure in OBJECTS:
        return OBJECT_POSE
    if figure in UPRIGHT:
        return UPRIGHT_POSE
    return SCENE_POSE if figure in SCENES else TEXTURE_POSE


def _cover(figure: Distance, pose: Pose, rng: Generator, size: int) -> Plane:
    """Opacity in [0, 1] of a figure in a random place: (size, size)."""
    turn, scale_change, right, up = POSE_JITTER * rng.uniform(-1, 1, size=4)
    scale = pose.scale + scale_change * pose.scale_spread
    across, along = cos(turn * pose.turn) / scale, sin(turn * pose.turn) / scale
    x, y = _plane(size)
    x, y = x - right * pose.shift, y - up * pose.shift
    distance = scale * figure(across * x + along * y, across * y - along * x)
    cover: Plane = np.clip(0.5 - distance / EDGE_SOFTNESS, 0, 1)
    return cover


def _jittered(colour: str, rng: Generator) -> NDArray[np.float64]:
    """RGB in [0, 1] of a colour with a little change of hue and brightness."""
    hue, saturation, value = COLOURS[colour]
    hue += rng.uniform(-HUE_JITTER, HUE_JITTER)
    value *= 1 + rng.uniform(-BRIGHTNESS_JITTER, BRIGHTNESS_JITTER)
    return np.array(hsv_to_rgb(hue % 1, saturation, min(value, 1)))


def _paint(canvas: Plane, cover: Plane, colour: NDArray[np.float64]) -> None:
    canvas += cover[..., None] * (colour - canvas)
