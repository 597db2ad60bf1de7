-- Schema 2: jobs that go on where an attempt was interrupted.

CREATE TABLE resume ( -- what a job's next attempt goes on from; gone when the job has ended
    job INTEGER PRIMARY KEY REFERENCES job (id), -- the run, or probe
    attempt INTEGER NOT NULL, -- that saved it
    hash TEXT NOT NULL, -- of the artifact
    size INTEGER NOT NULL, -- bytes
    epoch INTEGER NOT NULL, -- epochs completed by then; of a probe as step
    step INTEGER NOT NULL, -- steps taken by then; of a probe curves, of a plane rows, that are done
    at_ms INTEGER NOT NULL -- committed, ms
) STRICT;
CREATE INDEX resume_hash ON resume (hash);
CREATE INDEX checkpoint_hash ON checkpoint (hash);
