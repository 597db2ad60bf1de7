-- Schema 2: runs that go on where an attempt was interrupted.

CREATE TABLE resume ( -- what a job's next attempt goes on from; gone when the job has ended
    job INTEGER PRIMARY KEY REFERENCES job (id), -- the run
    attempt INTEGER NOT NULL, -- that saved it
    hash TEXT NOT NULL, -- of the artifact
    size INTEGER NOT NULL, -- bytes
    epoch INTEGER NOT NULL, -- epochs completed by then
    step INTEGER NOT NULL, -- steps taken by then
    at_ms INTEGER NOT NULL -- committed, ms
) STRICT;
CREATE INDEX resume_hash ON resume (hash);
CREATE INDEX checkpoint_hash ON checkpoint (hash);
