"""How every result was made, whether it still holds, and why it would be re-run."""
