"""Prompts, tokens and word lists; no torch."""
