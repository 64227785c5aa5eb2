"""What calibrated thresholds accept in a finished study: over many splits of each ID dataset, and of its OOD images.

`python -m benchmarks.coverage FOLDER`, e.g. results/studies/demo.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from clipn.metrics.conformal import conformal_threshold
from clipn.scores import SCORES

RECALLS = (0.9, 0.95, 0.99)


def covered(ranking: np.ndarray, recall: float, splits: int) -> np.ndarray:
    """Share of one half of the images that a threshold from the other half accepts, for every split."""
    rng, half = np.random.default_rng(0), len(ranking) // 2
    shares = []
    for _ in range(splits):
        drawn = rng.permutation(ranking)
        shares.append((drawn[half:] >= conformal_threshold(drawn[:half], recall)).mean())
    return np.array(shares)


def main(folder: Annotated[Path, typer.Argument(exists=True, help="of a study")], splits: int = 1_000) -> None:
    """Print, for every scoring, ID dataset and method, the mean share accepted and its range."""
    print("| run | ID | method | recall | ID accepted, mean | 5 % to 95 % of splits | OOD accepted |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for path in sorted((folder / "scores").rglob("*.parquet")):
        scores = pd.read_parquet(path)
        run = path.relative_to(folder / "scores").with_suffix("")
        for id_dataset, images in scores.groupby("id", sort=False):
            known = images["dataset"] == id_dataset
            for method in (name for name in SCORES if name in images):
                ranking, others = (images.loc[rows, method].to_numpy() for rows in (known, ~known))
                for recall in RECALLS:
                    shares = covered(ranking, recall, splits)
                    accepted = (others >= conformal_threshold(ranking, recall)).mean()
                    low, high = np.quantile(shares, [0.05, 0.95])
                    found = f"{shares.mean():.1%} | {low:.1%} to {high:.1%} | {accepted:.1%}"
                    print(f"| {run} | {id_dataset} | {method} | {recall:.0%} | {found} |")


if __name__ == "__main__":
    typer.run(main)
