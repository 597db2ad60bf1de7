-- Schema 5: what dispatching knows of jobs and workers beyond their state, and states
-- that are made from others.

-- Of the jobs that a sweep asked for first; the latest submission says it. (SQLite keeps
-- the comments of added columns that stand before their end.)
ALTER TABLE sweep ADD COLUMN priority INTEGER NOT NULL -- of new jobs; higher goes first
    DEFAULT 0;
ALTER TABLE sweep ADD COLUMN cores INTEGER NOT NULL -- of one job; 0: one slot
    DEFAULT 0;
ALTER TABLE sweep ADD COLUMN memory INTEGER NOT NULL -- that one job may have, bytes; 0: not said
    DEFAULT 0;
ALTER TABLE sweep ADD COLUMN labels TEXT NOT NULL -- that a worker must have, JSON: ["big"]
    DEFAULT '[]';
ALTER TABLE sweep ADD COLUMN retries TEXT NOT NULL -- attempts by cause that end before a job fails, JSON; what is not named has the default
    DEFAULT '{}';

ALTER TABLE worker ADD COLUMN labels TEXT NOT NULL -- that it has, JSON
    DEFAULT '[]';
ALTER TABLE worker ADD COLUMN memory INTEGER NOT NULL -- for jobs, bytes; 0: not said
    DEFAULT 0;
ALTER TABLE worker ADD COLUMN leaves_ms INTEGER -- when its time is up, ms; NULL: it has no limit
    DEFAULT NULL;

CREATE TABLE backoff ( -- jobs that are not tried again before a time; gone when they are
    job INTEGER PRIMARY KEY REFERENCES job (id), -- the job, ready
    until_ms INTEGER NOT NULL -- not before, ms
) STRICT;

CREATE TABLE quarantine ( -- workers that get no jobs, since jobs fail there that succeed elsewhere
    worker INTEGER PRIMARY KEY REFERENCES worker (id), -- the worker
    reason TEXT NOT NULL, -- a sentence
    at_ms INTEGER NOT NULL -- since when, ms
) STRICT;

CREATE TABLE coordinator ( -- the one that has the database, or had it last
    id INTEGER PRIMARY KEY CHECK (id = 1), -- a single row
    host TEXT NOT NULL, -- host name
    pid INTEGER NOT NULL, -- process on that host
    durability TEXT NOT NULL, -- what a commit survives: 'normal', 'full'
    started_ms INTEGER NOT NULL, -- when, ms
    stopped_ms INTEGER -- told to stop, and did; NULL: it runs, or was killed
) STRICT;

CREATE TABLE import ( -- files that people handed over, for runs to start from
    hash TEXT PRIMARY KEY REFERENCES artifact (hash), -- of the bytes
    name TEXT NOT NULL, -- the file as the user named it, or ''
    at_ms INTEGER NOT NULL -- when the coordinator learned of it, ms
) STRICT, WITHOUT ROWID;

CREATE TABLE derived ( -- where a derived state lies that a probe's curve placed
    job INTEGER PRIMARY KEY REFERENCES job (id), -- the derive job
    alpha REAL NOT NULL -- 0: its state a, 1: its state b
) STRICT;
