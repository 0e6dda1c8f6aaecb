"""German for bot/i18n/en/undoings.py: the same names, the same placeholders."""

from __future__ import annotations

BAD_SINCE = "Schreib, seit wann: `3d`, `12h` oder ein Datum wie `2026-11-20` oder `2026-11-20 14:30` (UTC)."
NOTHING = "Diese Person hat hier seitdem nichts entschieden, was noch gilt."
GONE = "Das wurde schon wiederhergestellt."
PUT_BACK = "Wiederherstellen"


def undone(who: str, verdicts: int, decisions: int, adapters: int) -> str:
    number = _count(verdicts, "Entscheidung", "Entscheidungen")
    lines = [f"Zurückgenommen: {number} von {who}. Es gilt wieder, was davor galt."]
    if decisions:
        waits = "wartet" if decisions == 1 else "warten"
        lines.append(f"{_count(decisions, 'Paar', 'Paare')} aus der Quarantäne {waits} wieder auf eine Entscheidung.")
    if adapters:
        learned = "hat" if adapters == 1 else "haben"
        lines.append(
            f"{_count(adapters, 'Adapter', 'Adapter')} {learned} daraus gelernt. Das nächste Training ersetzt den, der "
            "gerade läuft; `/adapter rollback` geht sofort zurück."
        )
    return "\n".join(lines)


def put_back(verdicts: int, decisions: int) -> str:
    number = _count(verdicts, "Entscheidung", "Entscheidungen")
    lines = [f"Wiederhergestellt: {number}. Was seitdem neu entschieden wurde, bleibt."]
    if decisions:
        lines.append(f"Über {_count(decisions, 'Paar', 'Paare')} in der Quarantäne ist wieder entschieden.")
    return "\n".join(lines)


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
