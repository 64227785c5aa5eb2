"""Benchmark images and captions: fetched, proven, read, indexed."""
