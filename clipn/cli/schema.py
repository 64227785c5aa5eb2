"""Write the JSON schemas of the configuration files, for editors and for people."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from clipn.data.registry import Registry
from clipn.data.weights_registry import WeightsRegistry
from clipn.report.published_numbers import PublishedNumbers
from clipn.study.config import Study

SCHEMAS: dict[str, type[BaseModel]] = {
    "study": Study,
    "datasets": Registry,
    "weights": WeightsRegistry,
    "published": PublishedNumbers,
}
FOLDER = Path("workflow/schemas")


def schema(name: str) -> dict[str, Any]:
    """JSON schema of one kind of configuration file."""
    return SCHEMAS[name].model_json_schema()


def main() -> None:
    """Write all schemas into `FOLDER`, relative to the working directory."""
    for name in SCHEMAS:
        text = json.dumps(schema(name), indent=2, ensure_ascii=False)
        (FOLDER / f"{name}.schema.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
