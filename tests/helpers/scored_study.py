"""A study of the smallest size from scores to figures: planted features, classifiers and images, and its commands."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from benchmarks.planted import ID, SCALE, Size, plant, scoring_inputs, towers
from clipn.evaluation.classifiers import FORMAT, tensor_name
from clipn.features.stored import NETWORK_FORMAT
from clipn.model.tensors import write_safetensors
from tests.helpers.planted_prompts import write_prompts
from tests.helpers.tiny_dataset import encoded, zipped
from tests.helpers.training_images import TRAIN, describe, write_features

SIZE = Size({ID: 60, "sun": 40}, classes=3, negatives=10, width=32)
PLAIN, RUN = "tiny/none/single/seed0", "tiny/learnable/single/seed1"
GDA = "gda-8shot-alpha1.0"
FIT = f"tiny/{GDA}/single/seed2"
COOKED = "cooked-8shot-net"
MEAN = f"tiny/{COOKED}/single/seed2"
"""Scored, and in no table."""
DRAWN = ("roc", "similarity", "mistakes")
"""Kinds of figures, one of scores, one of texts and one of images."""
SCORES, METRICS = (
    " ".join(f"{folder}/{name}.{ending}" for name in (PLAIN, FIT, RUN))
    for folder, ending in (("scores", "parquet"), ("metrics", "json"))
)
SHOWN = f"--variant none --variant {GDA} --variant learnable --prompts single --datasets datasets"
COMMANDS = {
    "fit": f"fit {ID} --train {TRAIN} --shots 8 --seed 2 --datasets datasets --features features/tiny"
    f" --output features/tiny/discriminants/{ID}/seed2.safetensors",
    "fit-probe": f"fit-probe {ID} --train {TRAIN} --shots 8 --seed 2 --datasets datasets --features features/tiny"
    f" --output features/tiny/probes/{ID}/seed2.safetensors",
    "score": f"score {PLAIN}:msp,mcm {FIT}:msp,mcm {MEAN}:entropy {RUN}:ctw,atd --rule ctw --rule atd"
    f" --fit tiny/{GDA}/seed2:{ID} --fit tiny/{COOKED}/seed2:{ID} --network {ID}:net"
    f" --datasets datasets --features features --classifiers classifiers --pair {ID}:sun --output scores",
    "evaluate": f"evaluate {SCORES} --pair {ID}:sun --study demo --resamples 5 --output metrics",
    "evaluate-streams": f"evaluate-streams tiny --features features --pair {ID}:sun --method adaneg --method zpe"
    " --order-seed 1 --order-seed 2 --batch 16 --study demo --output metrics/streams",
    "ood-table": f"report ood-table {METRICS} --id {ID} --tables tables {SHOWN}",
    "tables": f"report tables {METRICS} --study demo --base learnable --tables tables {SHOWN}",
    "streams-table": "report streams-table metrics/streams/tiny.json --study demo --tables tables --datasets datasets",
    "summary": f"report summary metrics/{RUN}.json --id {ID} --output summary",
    "id-dataset": f"report figure id-dataset scores/{PLAIN}.parquet scores/{RUN}.parquet"
    f" --figure tiny:{','.join(DRAWN)} --id {ID} --study demo --table tables/metrics.csv --features features"
    f" --classifiers classifiers --registry registry.yaml --archives archives --output figures {SHOWN}",
}
"""Words of commands that lead from features to figures, to be run in the folder of the study."""


def plant_study(folder: Path) -> None:
    """All that `COMMANDS` read and no one of them writes; image `n` of a dataset is of the grey `n`."""
    plant(folder, SIZE, runs=1)
    labels = np.arange(30) % SIZE.classes
    images = np.eye(SIZE.classes, SIZE.width)[labels] + np.random.default_rng(0).normal(size=(30, SIZE.width))
    describe(folder / "datasets" / TRAIN, labels.tolist(), [f"class {label}" for label in range(3)], first=1000)
    write_features(scoring_inputs(folder).features / f"{TRAIN}.safetensors", images)
    write_prompts(scoring_inputs(folder).features, ID)
    cached = scoring_inputs(folder).features.rename(folder / "cached")
    (folder / "features").mkdir()
    cached.rename(folder / "features/tiny")
    said = towers(folder, 0)
    assert said.no is not None
    classifiers = {
        tensor_name("none", "single", ID, "yes"): torch.from_numpy(said.yes.astype(np.float32)),
        tensor_name("learnable/seed1", "single", ID, "no"): torch.from_numpy(said.no.astype(np.float32)),
    }
    scales = json.dumps({"none": SCALE, "learnable/seed1": SCALE})
    write_safetensors(folder / "classifiers/tiny.safetensors", classifiers, {"format": FORMAT, "logit_scales": scales})
    for name, images in SIZE.images.items():
        logits = {"logits": torch.randn(images, SIZE.classes)}
        write_safetensors(folder / f"features/networks/net/{name}.safetensors", logits, {"format": NETWORK_FORMAT})
        (folder / "archives" / name).mkdir(parents=True)
        shades = {f"{row:06d}.png": encoded(Image.new("L", (8, 8), row), "PNG") for row in range(images)}
        zipped(folder / "archives" / name / f"{name}.zip", shades)
    records = {name: {"title": name, "reader": "flat", "archives": [{"file": f"{name}.zip"}]} for name in SIZE.images}
    (folder / "registry.yaml").write_text(yaml.safe_dump({"datasets": records}))
