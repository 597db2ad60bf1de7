-- Schema 3: what people change while a sweep runs, and why they did.

CREATE TABLE pause ( -- sweeps of which no job is handed out
    sweep INTEGER PRIMARY KEY REFERENCES sweep (id), -- the sweep
    reason TEXT NOT NULL, -- a sentence
    at_ms INTEGER NOT NULL -- since when, ms
) STRICT;

CREATE TABLE control ( -- append-only: what was asked for from the command line
    id INTEGER PRIMARY KEY, -- order of commit
    request TEXT NOT NULL UNIQUE, -- 32 hex digits, chosen by the client: done once
    at_ms INTEGER NOT NULL, -- when, ms
    verb TEXT NOT NULL, -- cancel retry pause resume priority limit drain stop
    target TEXT NOT NULL, -- 'jobs 1-10,12', 'sweep 3', 'worker 2'
    reason TEXT NOT NULL, -- a sentence, or ''
    changed INTEGER NOT NULL, -- jobs, sweeps or workers that it changed
    unchanged INTEGER NOT NULL -- and those it did not, being in no state for it
) STRICT;
