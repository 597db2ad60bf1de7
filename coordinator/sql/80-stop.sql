-- Schema 7: runs that a rule of their sweep stops early, and what runs tell before they
-- have ended.

-- One more word in a CHECK, which no ALTER TABLE can give: https://sqlite.org/lang_altertable.html
-- section 7 allows this where no row changes. Both ways in which the check was written.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(replace(sql, 'state = ''skipped'')', 'state = ''skipped'' OR state = ''stopped'')'),
                  '''cancelled'', ''skipped'')', '''cancelled'', ''skipped'', ''stopped'')')
WHERE type = 'table' AND name = 'job';
PRAGMA writable_schema = RESET;

INSERT INTO sweep_count SELECT DISTINCT sweep, 'stopped', 0 FROM sweep_count;

ALTER TABLE request ADD COLUMN rerun INTEGER NOT NULL -- jobs that had ended, and run again
    DEFAULT 0;

ALTER TABLE sweep ADD COLUMN stop_rule TEXT NOT NULL -- 'median', 'asha'; '': no run is stopped
    DEFAULT '' CHECK (stop_rule = '' OR stop_rule = 'median' OR stop_rule = 'asha');
ALTER TABLE sweep ADD COLUMN stop_metric TEXT NOT NULL -- that it goes by, 'test_loss'; '': no rule
    DEFAULT '';
ALTER TABLE sweep ADD COLUMN stop_grace INTEGER NOT NULL -- epochs before the first judgement
    DEFAULT 0;
ALTER TABLE sweep ADD COLUMN stop_factor INTEGER NOT NULL -- of asha: of so many runs one goes on; 0: another rule
    DEFAULT 0;

CREATE TABLE report ( -- evaluations of runs that have no result: as evaluation, which takes their place
    job INTEGER NOT NULL REFERENCES job (id), -- the run
    split TEXT NOT NULL, -- 'train', 'test'; 'batch': minibatches as trained on
    epoch INTEGER NOT NULL, -- 0: before the first step
    n INTEGER NOT NULL CHECK (n > 0), -- examples
    correct INTEGER NOT NULL CHECK (correct BETWEEN 0 AND n), -- right answers
    nan_count INTEGER NOT NULL, -- examples whose loss is NaN
    inf_count INTEGER NOT NULL, -- examples whose loss is infinite
    sum REAL NOT NULL, -- of the finite losses, nats
    sum_sq REAL NOT NULL, -- of their squares, nats^2
    lr REAL NOT NULL, -- learning rate of the epoch's last step; 0 at epoch 0
    seconds REAL NOT NULL, -- since the run began, s
    PRIMARY KEY (job, split, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE score ( -- what the rule of a sweep compares its runs by
    sweep TEXT NOT NULL REFERENCES sweep (name), -- the sweep
    epoch INTEGER NOT NULL, -- at which runs are compared
    job INTEGER NOT NULL REFERENCES job (id), -- the run
    value REAL NOT NULL, -- lower is better: a loss, or an accuracy's negative; infinite: not a number
    PRIMARY KEY (sweep, epoch, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX score_order ON score (sweep, epoch, value);

CREATE TABLE early_stop ( -- runs that a rule has stopped, or is about to
    job INTEGER PRIMARY KEY REFERENCES job (id), -- the run
    epoch INTEGER NOT NULL, -- at which it was judged
    reason TEXT NOT NULL, -- a sentence
    at_ms INTEGER NOT NULL, -- when, ms
    overruled INTEGER NOT NULL CHECK (overruled IN (0, 1)) -- 1: it was to go on, and no rule stops it again
) STRICT;
