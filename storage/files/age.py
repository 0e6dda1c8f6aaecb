"""Encrypting a file for a public key with age (https://age-encryption.org, the library pyrage), and opening it.

Making backups needs the public key alone; the secret key lies where the backups are restored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.backup_errors import AgeKeyInvalid, AgeKeyMissing, AgeNotInstalled
from storage.files.private_file import write_private

__all__ = ["decrypt", "encrypt", "is_encrypted", "make_key"]

_MAGIC = b"age-encryption.org/"


def is_encrypted(file: Path) -> bool:
    """Whether a file is encrypted with age."""
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def encrypt(source: Path, target: Path, recipient: str) -> None:
    """Write an encrypted copy. Raises AgeKeyInvalid for a recipient that is no age public key, AgeNotInstalled."""
    pyrage = _library()
    try:
        key = pyrage.x25519.Recipient.from_str(recipient.strip())
    except pyrage.RecipientError as error:
        raise AgeKeyInvalid(recipient, str(error)) from error
    with source.open("rb") as plain, target.open("wb") as out:
        pyrage.encrypt_io(plain, out, [key])


def decrypt(source: Path, target: Path, identity: Path | None) -> None:
    """Write a decrypted copy. Raises AgeKeyMissing, AgeKeyInvalid (also for a damaged head), ValueError."""
    if identity is None:
        raise AgeKeyMissing(source)
    pyrage = _library()
    try:
        text = next(line for line in identity.read_text(encoding="ascii").splitlines() if line.startswith("AGE-SECRET"))
        key = pyrage.x25519.Identity.from_str(text.strip())
        with source.open("rb") as sealed, target.open("xb") as out:
            pyrage.decrypt_io(sealed, out, [key])
    except (StopIteration, UnicodeDecodeError):
        raise AgeKeyInvalid(str(identity), "it holds no age secret key") from None
    except (pyrage.IdentityError, pyrage.DecryptError) as error:
        raise AgeKeyInvalid(str(identity), str(error)) from error
    except OSError as error:
        if error.errno is None:  # so the library says that a part of the file is not what was encrypted
            raise ValueError("what is encrypted in it is damaged") from error
        raise


def make_key(file: Path) -> str:
    """Write a new secret key that only its owner can read; returns the public key. Raises FileExistsError, OSError."""
    identity = _library().x25519.Identity.generate()
    public = str(identity.to_public())
    write_private(file, f"# public key: {public}\n{identity}\n")
    return public


def _library() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise AgeNotInstalled from error
    return pyrage
