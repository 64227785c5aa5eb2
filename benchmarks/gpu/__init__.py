"""What the pipeline does on a GPU: its tests there, its speed, and whether it learns what it learns on a CPU."""
