"""What a study will take before it runs: jobs, downloads, disk, and work for the GPU."""
