"""Serving: the worker thread, the queue, the decoder and sampling."""
