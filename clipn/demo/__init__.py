"""The generated world that the demo study runs on."""
