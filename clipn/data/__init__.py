"""Benchmark images and captions: fetched, verified, read, indexed."""
