-- Schema 6: options that jobs have in common stand once. Jobs of before keep theirs in
-- job_param; the view params shows both.

CREATE TABLE option_set ( -- options of jobs: all but their seeds, or their seeds
    id INTEGER PRIMARY KEY, -- number of the set
    hash TEXT NOT NULL UNIQUE -- of its lines of the canonical spec, 32 hex digits
) STRICT;

CREATE TABLE option_value ( -- an option of every job that has the set
    options INTEGER NOT NULL REFERENCES option_set (id), -- the set
    name TEXT NOT NULL, -- dotted option name, 'optimizer.lr'
    value ANY NOT NULL, -- integer, real or text; a bool is 0 or 1, a list '[1,2]'
    PRIMARY KEY (options, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX option_value_start ON option_value (value) WHERE name = 'init.from';

ALTER TABLE job ADD COLUMN options INTEGER REFERENCES option_set (id) -- all that is not the default, but seeds; NULL: in job_param
    DEFAULT NULL;
ALTER TABLE job ADD COLUMN seeds INTEGER REFERENCES option_set (id) -- its seeds; NULL: it has none, or they are in job_param
    DEFAULT NULL;
