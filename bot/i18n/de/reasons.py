"""Warum ein Trainingslauf so geendet hat, auf Deutsch. The codes are those of `trainer.reasons`."""

_PROMPTS = (
    ". Alle Paare stammen aus {conversations} Gesprächen oder Fragen, und jedes davon wird als Ganzes gelernt oder "
    "zurückgehalten. Gib deshalb Paare zu anderen Fragen frei."
)
_PROMPT = (
    ". Alle Paare stammen aus einem einzigen Gespräch oder einer einzigen Frage. Gib deshalb Paare zu anderen Fragen "
    "frei."
)
_HOLDOUT = (
    "Nur {holdout} von {pairs} Paaren sind zum Testen zurückgehalten. Um einen neuen Adapter zu beurteilen, braucht es "
    "{needed}. Es werden mehr, wenn Paare freigegeben werden"
)
_TRAIN = "{holdout} von {pairs} Paaren sind zum Testen zurückgehalten. Zum Lernen braucht es {needed} andere"

WORDS = {
    "few.pairs": "Es gibt {pairs} geeignete Paare, und das Training braucht {needed}.",
    "few.holdout": f"{_HOLDOUT}.",
    "few.holdout.prompts": _HOLDOUT + _PROMPTS,
    "few.holdout.prompt": _HOLDOUT + _PROMPT,
    "few.train": f"{_TRAIN}.",
    "few.train.prompts": _TRAIN + _PROMPTS,
    "few.train.prompt": _TRAIN + _PROMPT,
    "few.new.none": "Seit dem letzten Training ist kein Paar dazugekommen, und ein neues braucht {needed}.",
    "few.new.one": "Seit dem letzten Training ist 1 Paar dazugekommen, und ein neues braucht {needed}.",
    "few.new": "Seit dem letzten Training sind {new} Paare dazugekommen, und ein neues braucht {needed}.",
    "few.quarantine": "{count} von {new} neuen Paaren sind in Quarantäne, bis eine zweite Person sie geprüft hat.",
    "excluded.one": (
        "1 weiteres Paar wartet, weil training.learn_from Wörter darin ausschließt, zum Beispiel Discord-Nachrichten; "
        "siehe /setup."
    ),
    "excluded": (
        "{count} weitere Paare warten, weil training.learn_from Wörter darin ausschließt, zum Beispiel "
        "Discord-Nachrichten; siehe /setup."
    ),
    "failed": "{text}",
    "failed.stopped": "Das Training wurde abgebrochen, bevor es fertig war.",
    "failed.memory": (
        "Im Schritt „{stage}“ ging der Speicher aus. Der Betreiber kann training.micro_batch oder training.max_tokens "
        "verkleinern."
    ),
    "failed.pair": (
        "Schon für ein einziges Paar mit {tokens} Tokens reicht der Speicher nicht. Der Betreiber kann "
        "training.max_tokens verkleinern oder ein kleineres Basismodell wählen."
    ),
    "failed.fit": (
        "Nur {fit} von {count} Paaren passen in {limit} Tokens (training.max_tokens), und das reicht nicht. Der "
        "Betreiber kann die Grenze erhöhen, oder ihr gebt kürzere Paare frei."
    ),
    "failed.disk": "Die Festplatte ist voll. Der Betreiber muss Platz schaffen und dann neu trainieren.",
    "failed.diverged": (
        "Das Training ist aus dem Ruder gelaufen (der Verlust ist keine Zahl). Der Betreiber kann "
        "training.learning_rate verkleinern."
    ),
    "failed.unexpected": "Der Schritt „{stage}“ ist unerwartet gescheitert ({error}). Mehr steht in {log}.",
    "candidate.kept": "Er bleibt in der engeren Wahl: Die nächsten freigegebenen Paare entscheiden.",
    "candidate.proven": (
        "Der Adapter {adapter} aus der engeren Wahl gewinnt: An {pairs} seither freigegebenen Paaren ist er besser als "
        "der bisherige (Beleg {evidence:.1f}, {needed:g} reicht)."
    ),
    "chosen": (
        "Während des Trainings hat jemand von Hand einen anderen Adapter gewählt. {adapter} ist gespeichert, wird aber "
        "nicht verwendet."
    ),
    "retired": "{adapter} wurde inzwischen stillgelegt und wird deshalb nicht verwendet.",
    "stays": "Der bisherige Adapter bleibt: {parts}.",
    "wins": "Der neue Adapter gewinnt: {parts}.",
    "better.none": "es gibt kein zurückgehaltenes Paar, an dem man ihn messen könnte",
    "better.yes": (
        "der Verlust sinkt von {before:.3f} auf {after:.3f}, gemessen an {pairs} Paaren aus {conversations} Gesprächen "
        "(im Mittel {gain:.3f} besser, plus/minus {error:.3f})"
    ),
    "better.no": (
        "der Verlust geht von {before:.3f} auf {after:.3f} an {pairs} Paaren, das ist keine Verbesserung (im Mittel "
        "{gain:.3f}, plus/minus {error:.3f})"
    ),
    "better.unsure": (
        "der Verlust geht von {before:.3f} auf {after:.3f} an {pairs} Paaren, das ist keine sichere Verbesserung (im "
        "Mittel {gain:.3f}, plus/minus {error:.3f}; der Wechsel würde im Schnitt {expected:.3f} kosten, erlaubt "
        "sind {limit:.3f})"
    ),
    "better.risky": (
        "der Verlust geht von {before:.3f} auf {after:.3f} an {pairs} Paaren, das ist keine sichere Verbesserung (er "
        "könnte um {worse:.3f} schlechter sein, erlaubt sind {limit:.3f})"
    ),
    "anchor.none": "mit keinem früheren Adapter verglichen",
    "anchor.yes": (
        "verglichen mit dem Adapter von vor {days:g} Tagen geht der Verlust von {before:.3f} auf {after:.3f}, gemessen "
        "an {pairs} zurückgehaltenen Paaren"
    ),
    "anchor.no": (
        "der Adapter von vor {days:g} Tagen war besser: Verlust {before:.3f}, jetzt {after:.3f}, gemessen an {pairs} "
        "zurückgehaltenen Paaren"
    ),
    "older.none": "kein zurückgehaltenes Paar ist älter als der bisherige Adapter",
    "older.yes": "an {pairs} älteren Paaren geht der Verlust von {before:.3f} auf {after:.3f}",
    "older.no": (
        "an {pairs} älteren Paaren steigt der Verlust von {before:.3f} auf {after:.3f}, um mehr als {tolerance:.0%}"
    ),
    "general.none": "Allgemeinwissen wurde nicht abgefragt",
    "general.yes": (
        "bei allgemeinen Fragen geht der Verlust von {before:.3f} auf {after:.3f}, {right} von {questions} sind richtig"
    ),
    "general.no": (
        "bei allgemeinen Fragen steigt der Verlust von {before:.3f} auf {after:.3f}, um mehr als {tolerance:.2f}; "
        "{right} von {questions} sind richtig"
    ),
    "stops": "{count} von {replies} Probeantworten hören nicht auf",
    "varied": "{count} von {replies} Probeantworten wiederholen sich",
    "speaks": "{count} von {replies} Probeantworten sind leer",
    "stops.compared": (
        "{count} von {replies} Probeantworten hören nicht auf (beim bisherigen Adapter {champion} von {replies})"
    ),
    "varied.compared": (
        "{count} von {replies} Probeantworten wiederholen sich (beim bisherigen Adapter {champion} von {replies})"
    ),
    "speaks.compared": (
        "{count} von {replies} Probeantworten sind leer (beim bisherigen Adapter {champion} von {replies})"
    ),
    "canaries.none": "Testfragen wurden nicht gestellt",
    "canaries.yes": "bei {replies} Antworten auf Testfragen bleibt jeder Fehler im erlaubten Rahmen",
    "canaries": "von {replies} Antworten auf Testfragen {parts}",
    "canary.stops": "hören {share:.0%} nicht auf",
    "canary.varied": "wiederholen sich {share:.0%}",
    "canary.speaks": "sind {share:.0%} leer",
    "canary.length": "sind {share:.0%} zu lang",
    "canary.stops.compared": "hören {share:.0%} nicht auf (beim bisherigen Adapter {champion:.0%})",
    "canary.varied.compared": "wiederholen sich {share:.0%} (beim bisherigen Adapter {champion:.0%})",
    "canary.speaks.compared": "sind {share:.0%} leer (beim bisherigen Adapter {champion:.0%})",
    "canary.length.compared": "sind {share:.0%} zu lang (beim bisherigen Adapter {champion:.0%})",
    "banned.yes": "in {replies} Antworten kommt nichts Verbotenes vor",
    "banned.no": "in {replies} Antworten kommt {matches}-mal etwas Verbotenes vor ({pattern})",
    "secrets.none": "in den Trainingsdaten wurde kein Geheimnis gesucht oder gefunden",
    "secrets.yes": "keines von {secrets} Geheimnissen der Trainingsdaten wurde in {replies} Antworten verraten",
    "secrets.no": (
        "{leaks} von {secrets} Geheimnissen der Trainingsdaten wurden verraten ({parts}). Lehnt die Antworten ab, die "
        "sie enthalten, oder bearbeitet sie. Der Betreiber kann sie auch in gate.allowed erlauben"
    ),
    "leak.email": "eine E-Mail-Adresse in Antwort {reply}",
    "leak.key": "ein Schlüssel oder Token in Antwort {reply}",
    "leak.password": "ein Passwort in Antwort {reply}",
    "leak.telephone": "eine Telefonnummer in Antwort {reply}",
}
DECIMAL = ","
