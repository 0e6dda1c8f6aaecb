"""German for what Discord shows of the bot's commands, by the English words (bot/i18n/command_translator.py)."""

from __future__ import annotations

COMMANDS = {
    # Members
    "Ask me something": "Frag mich etwas",
    "What you would like to know": "Was du wissen möchtest",
    "What I am running on, and what comes next": "Womit ich laufe und was als Nächstes kommt",
    "Your data: what I store, and whether I may learn from it": (
        "Deine Daten: was ich speichere und ob ich daraus lernen darf"
    ),
    "See what I have stored about you, and whether I may train on it": (
        "Zeigt, was ich über dich gespeichert habe und ob ich daraus lernen darf"
    ),
    "Let me learn from your messages and my approved answers to you": (
        "Erlaubt mir, aus deinen Nachrichten und meinen freigegebenen Antworten zu lernen"
    ),
    "Keep your messages out of training": "Hält deine Nachrichten aus dem Training heraus",
    "Get everything I have stored about you as a file": (
        "Schickt dir alles, was ich über dich gespeichert habe, als Datei"
    ),
    "Delete your messages and my answers to you from my storage": (
        "Löscht deine Nachrichten und meine Antworten an dich aus meinem Speicher"
    ),
    # Review
    "Approve": "Freigeben",
    "Edit": "Bearbeiten",
    "Reject": "Ablehnen",
    "Review my answers one by one, visible only to you": "Prüfe meine Antworten nacheinander, nur für dich sichtbar",
    "Which answers come first": "Welche Antworten zuerst kommen",
    "newest": "neueste",
    "oldest": "älteste",
    "unsure": "unsichere",
    "Hold my answers in this channel until a moderator approves them": (
        "Hält meine Antworten in diesem Kanal zurück, bis die Moderation sie freigibt"
    ),
    "Whether to hold answers": "Ob Antworten zurückgehalten werden",
    "Reviews and approval rate, by day and by adapter": "Prüfungen und Anteil der Freigaben, nach Tag und Adapter",
    "How many days back": "Wie viele Tage zurück",
    # Training and adapters
    "Training": "Training",
    "Start training a new adapter now": "Startet jetzt das Training eines neuen Adapters",
    "Train even if there is little new data": "Auch wenn es wenig neue Daten gibt",
    "Progress of the current training run": "Fortschritt des laufenden Trainings",
    "Cancel the current training run": "Bricht das laufende Training ab",
    "Results of recent training runs": "Ergebnisse der letzten Trainings",
    "Adapters": "Adapter",
    "List all adapters and show which one is in use": "Zeigt alle Adapter und welcher gerade antwortet",
    "Switch to another adapter": "Wechselt zu einem anderen Adapter",
    "Which adapter": "Welcher Adapter",
    "Go back to the previous adapter": "Zurück zum vorherigen Adapter",
    # Pairs
    "What I learn from": "Woraus ich lerne",
    "Search the approved pairs": "Durchsucht die freigegebenen Paare",
    "Text from the question or the answer": "Text aus der Frage oder der Antwort",
    "Remove a pair from training": "Nimmt ein Paar aus dem Training",
    "Its number, or some of its text": "Die Nummer oder ein Stück Text daraus",
    "Check pairs that were imported here or look unusual": (
        "Prüft Paare, die hier importiert wurden oder ungewöhnlich aussehen"
    ),
    "Take back all that a moderator decided since a time": (
        "Nimmt alles zurück, was jemand aus der Moderation seit einem Zeitpunkt entschieden hat"
    ),
    "Whose decisions": "Wessen Entscheidungen",
    "3d, 12h, or a date such as 2026-11-20 14:30 (UTC)": "3d, 12h oder ein Datum wie 2026-11-20 14:30 (UTC)",
    "Get this server's training pairs as a JSONL file": "Gibt dir die Trainingspaare dieses Servers als JSONL-Datei",
    "Import pairs from a JSONL or CSV file": "Importiert Paare aus einer JSONL- oder CSV-Datei",
    "JSONL with messages on each line, or CSV with a prompt and a reply column": (
        "JSONL mit messages in jeder Zeile oder CSV mit einer Spalte für Frage und Antwort"
    ),
    # Setting up
    "Set me up on this server, step by step": "Richte mich auf diesem Server ein, Schritt für Schritt",
    "How I behave on this server": "Wie ich mich auf diesem Server verhalte",
    "Show the settings for this channel": "Zeigt die Einstellungen für diesen Kanal",
    "When I answer in a channel without being mentioned": "Wann ich in einem Kanal antworte, ohne erwähnt zu werden",
    "off: only when mentioned; name: when someone uses my name; always: every message": (
        "aus: nur bei Erwähnung; Name: wenn mein Name fällt; immer: auf jede Nachricht"
    ),
    "off": "aus",
    "name": "Name",
    "always": "immer",
    "Seconds to wait between these answers": "Sekunden Pause zwischen diesen Antworten",
    "Which channel (default: this one)": "Welcher Kanal (Standard: dieser)",
    "Who I am: my instructions for every conversation": "Wer ich bin: meine Anweisung für jedes Gespräch",
    "For the whole server, or only for this channel": "Für den ganzen Server oder nur für diesen Kanal",
    "server": "Server",
    "channel": "Kanal",
    "How creative and how long my answers are (empty: default)": (
        "Wie kreativ und wie lang meine Antworten sind (ohne Angabe: Standard)"
    ),
    "0 always picks the most likely word; 1 is more creative": (
        "0 nimmt immer das wahrscheinlichste Wort; 1 ist kreativer"
    ),
    "Longest answer, in tokens (a token is about four letters)": (
        "Längste Antwort in Tokens (ein Token sind etwa vier Buchstaben)"
    ),
    "My name and pictures on this server (empty: as everywhere)": (
        "Mein Name und meine Bilder auf diesem Server (ohne Angabe: wie überall)"
    ),
    "My name here": "Mein Name hier",
    "My avatar here: PNG, JPEG, GIF or WebP": "Mein Avatar hier: PNG, JPEG, GIF oder WebP",
    "My banner here: PNG, JPEG, GIF or WebP": "Mein Banner hier: PNG, JPEG, GIF oder WebP",
    "How often each member can ask": "Wie oft jedes Mitglied fragen darf",
    "Seconds between two questions from the same member": "Sekunden zwischen zwei Fragen desselben Mitglieds",
    "Answers per member per day; 0 means no limit": "Antworten pro Mitglied und Tag; 0 heißt unbegrenzt",
    "Apply the quota to this role; leave the quota empty to remove it": (
        "Das Tageslimit gilt für diese Rolle; ohne Tageslimit wird es entfernt"
    ),
    "In which channels and to which roles I answer": "In welchen Kanälen und welchen Rollen ich antworte",
    "allow: only these; deny: all but these; clear: remove from both lists (empty: clear both)": (
        "erlauben: nur diese; sperren: alle außer diesen; streichen: von beiden Listen (ohne Angabe: alles)"
    ),
    "allow": "erlauben",
    "deny": "sperren",
    "clear": "streichen",
    "The channel to allow or deny": "Der Kanal zum Erlauben oder Sperren",
    "The role to allow or deny": "Die Rolle zum Erlauben oder Sperren",
    # Documents
    "What I can look things up in": "Worin ich nachschlagen kann",
    "Add a file, a message or a channel's pinned messages": (
        "Fügt eine Datei, eine Nachricht oder die angepinnten Nachrichten eines Kanals hinzu"
    ),
    "A Markdown, text, HTML or PDF file": "Eine Datei: Markdown, Text, HTML oder PDF",
    "A link to a message": "Ein Link zu einer Nachricht",
    "A channel whose pinned messages I should read": "Ein Kanal, dessen angepinnte Nachrichten ich lesen soll",
    "What to call it": "Wie es heißen soll",
    "Where members can read it": "Wo Mitglieder es lesen können",
    "List what I can look things up in": "Zeigt, worin ich nachschlagen kann",
    "Read a message or pinned messages again": "Liest eine Nachricht oder angepinnte Nachrichten neu",
    "Its number, or some of its title": "Die Nummer oder ein Teil des Titels",
    "Forget a document": "Vergisst ein Dokument",
    "See what I would look up for a question here": "Zeigt, was ich hier zu einer Frage nachschlagen würde",
    "What a member might ask": "Was ein Mitglied fragen könnte",
    "Save as fact": "Als Fakt speichern",
    "When I ask the moderators instead of answering": "Wann ich die Moderation frage, statt zu antworten",
    "How likely my answer must be right; 0 answers everything, 50 is a good start": (
        "Wie wahrscheinlich meine Antwort stimmen muss; 0 beantwortet alles, 50 ist ein guter Anfang"
    ),
}
