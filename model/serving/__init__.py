"""Serving: the worker thread, the queue, the decoder, caches and sampling."""
