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

DROP VIEW progress;
CREATE VIEW progress AS -- jobs of each sweep by state
SELECT s.name AS sweep, s.id AS sweep_id, sum(c.n) AS jobs,
       sum(iif(c.state = 'waiting', c.n, 0)) AS waiting,
       sum(iif(c.state = 'ready', c.n, 0)) AS ready,
       sum(iif(c.state = 'running', c.n, 0)) AS running,
       sum(iif(c.state = 'done', c.n, 0)) AS done,
       sum(iif(c.state = 'failed', c.n, 0)) AS failed,
       sum(iif(c.state = 'cancelled', c.n, 0)) AS cancelled,
       sum(iif(c.state = 'skipped', c.n, 0)) AS skipped,
       s.created_ms AS created_ms, s.submitted_ms AS submitted_ms,
       EXISTS (SELECT 1 FROM pause p WHERE p.sweep = s.id) AS paused,
       s.max_running AS max_running
FROM sweep s JOIN sweep_count c ON c.sweep = s.name
GROUP BY s.id;
