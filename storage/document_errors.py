"""What can go wrong with a document: it cannot be found or read, or is too much."""

from __future__ import annotations

from storage.errors import StorageError


class DocumentNotFound(StorageError):
    """No document of this server has this number."""

    def __init__(self, document_id: int) -> None:
        super().__init__(f"There is no document {document_id} here: `nightshift knowledge list` lists all of them.")
        self.document_id = document_id


class DocumentUnreadable(StorageError):
    """A file that is no document, or a damaged one."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be read: {why}; correct that, or take another file.")
        self.name = name
        self.why = why


class DocumentEmpty(StorageError):
    """A document without any text."""

    def __init__(self, title: str) -> None:
        super().__init__(f"{title} has no text that can be read: a scanned page has to be turned into text first.")
        self.title = title


class DocumentTooLong(StorageError):
    """A document with more text than one may have."""

    def __init__(self, title: str, characters: int, most: int) -> None:
        super().__init__(f"{title} has {characters:,} characters, and a document may have {most:,}: split it up.")
        self.title = title
        self.characters = characters
        self.most = most


class KnowledgeFull(StorageError):
    """A server has as much as it may have; `most` says how much that is."""

    def __init__(self, most: str) -> None:
        super().__init__(f"This server may have {most}: remove a document first.")
        self.most = most
