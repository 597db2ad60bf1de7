-- Schema 1 of the coordinator's database. STRICT tables; each column says what
-- it holds and its unit. Times (*_ms) are milliseconds since 1970-01-01 UTC.
-- NULL means "does not apply" and nothing else. A check with IN and more than two values
-- makes SQLite fill a table with them for every row written (a fifth of all that a job
-- costs), so words are compared one by one.

CREATE TABLE sweep ( -- one grid file, by name; submitting it again adds to it
    id INTEGER PRIMARY KEY, -- number of the sweep
    name TEXT NOT NULL UNIQUE, -- sweep.name of the grid, [a-z0-9-]+
    file TEXT NOT NULL, -- the grid file as the user named it
    grid TEXT NOT NULL, -- text of the latest grid file
    time_limit_s INTEGER NOT NULL, -- limit of one attempt, seconds; 0: none
    max_running INTEGER NOT NULL, -- jobs at once; 0: no limit
    created_ms INTEGER NOT NULL, -- first submitted, ms
    submitted_ms INTEGER NOT NULL -- last submitted, ms
) STRICT;

CREATE TABLE request ( -- submissions carried out, so that none is done twice
    id TEXT PRIMARY KEY, -- 32 hex digits, chosen by the client
    sweep TEXT NOT NULL REFERENCES sweep (name), -- what was submitted
    jobs INTEGER NOT NULL, -- jobs of that plan
    added INTEGER NOT NULL, -- of those, jobs that were new
    at_ms INTEGER NOT NULL -- when, ms
) STRICT, WITHOUT ROWID;

CREATE TABLE job ( -- one training run, probe or derived state; one per key
    id INTEGER PRIMARY KEY, -- number of the job
    key TEXT NOT NULL UNIQUE, -- hash of the canonical spec, 32 hex digits
    kind TEXT NOT NULL CHECK (kind = 'train' OR kind = 'probe' OR kind = 'derive'), -- what it does
    state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'ready' OR state = 'running' OR state = 'done' OR state = 'failed' OR state = 'cancelled' OR state = 'skipped'), -- now; the events, replayed
    sweep TEXT NOT NULL REFERENCES sweep (name), -- the first that asked for it
    shared INTEGER NOT NULL CHECK (shared IN (0, 1)), -- 1: other sweeps list it too
    spec TEXT NOT NULL, -- canonical spec: every value that is not the default
    classes INTEGER, -- classes of the run's data set; NULL: a probe
    tolerance REAL, -- rise up to which a path counts as monotone; NULL: not a probe
    priority INTEGER NOT NULL, -- higher goes first; 0 by default
    time_limit_s INTEGER NOT NULL, -- limit of one attempt, seconds; 0: none
    attempt INTEGER NOT NULL, -- the latest attempt; 0: never started
    cause TEXT, -- of the event that led to this state; 'diverged' on a result
    reason TEXT, -- the same as a sentence
    created_ms INTEGER NOT NULL, -- submitted, ms
    ended_ms INTEGER -- done, failed, cancelled or skipped, ms
) STRICT;
CREATE INDEX job_ready ON job (priority DESC, id) WHERE state = 'ready';
CREATE INDEX job_unsuccessful ON job (state, id) WHERE state IN ('failed', 'skipped');

CREATE TABLE sweep_job ( -- a job's place in a sweep; equal points share a job
    id INTEGER PRIMARY KEY, -- number of the row, in the order of the plan
    sweep TEXT NOT NULL REFERENCES sweep (name), -- the sweep
    job INTEGER NOT NULL REFERENCES job (id), -- the job
    intervention TEXT NOT NULL, -- what was changed; 'baseline': nothing
    role TEXT NOT NULL, -- of the intervention: init, data, optimizer, model, or ''; 'part': the job is a part of the probe
    probe TEXT NOT NULL, -- name of the probe; '' for runs
    seed INTEGER NOT NULL, -- the k of the sweep's seeds
    point TEXT NOT NULL, -- axis and intervention values, 'name=value, ...'
    UNIQUE (sweep, job, intervention, role, probe, seed, point)
) STRICT;
CREATE INDEX sweep_job_job ON sweep_job (job);

CREATE TABLE sweep_count ( -- jobs of a sweep by state; kept with every batch
    sweep TEXT NOT NULL REFERENCES sweep (name), -- the sweep
    state TEXT NOT NULL, -- as job.state
    n INTEGER NOT NULL CHECK (n >= 0), -- jobs of the sweep in that state
    PRIMARY KEY (sweep, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE sweep_param ( -- options that differ between points of a sweep
    sweep TEXT NOT NULL REFERENCES sweep (name), -- the sweep
    name TEXT NOT NULL, -- dotted option name; a column of runs_<sweep>
    PRIMARY KEY (sweep, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_param ( -- a job's options that are not the default, or varied
    job INTEGER NOT NULL REFERENCES job (id), -- the job
    name TEXT NOT NULL, -- dotted option name, 'optimizer.lr'
    value ANY NOT NULL, -- integer, real or text; a bool is 0 or 1, a list '[1,2]'
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE dep ( -- what a job needs before it can start
    job INTEGER NOT NULL REFERENCES job (id), -- the job that waits
    role TEXT NOT NULL, -- 'a', 'b': start, end of a path; 'c': third state of a plane; 's1', ...: states it places; 'p01', ...: its parts; 'init': what a run starts from; 'm01', ...: states that groups are taken of; 'probe': whose curve places a state
    needs INTEGER NOT NULL REFERENCES job (id), -- the job that has the state
    state TEXT NOT NULL, -- 'init', 'final', 'best', 'step:k', 'epoch:k'; 'part'; 'curve'
    PRIMARY KEY (job, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX dep_needs ON dep (needs, job);

CREATE TABLE worker ( -- a worker daemon; a restarted one is another
    id INTEGER PRIMARY KEY, -- number of the worker
    uuid TEXT NOT NULL UNIQUE, -- 32 hex digits, new in every process
    host TEXT NOT NULL, -- host name
    pid INTEGER NOT NULL, -- process on that host
    slots INTEGER NOT NULL, -- trials at once
    threads INTEGER NOT NULL, -- per trial
    cores INTEGER NOT NULL, -- of the machine
    provenance TEXT NOT NULL, -- JSON: version, cpu, kernels, blas core type
    state TEXT NOT NULL CHECK (state = 'connected' OR state = 'lost' OR state = 'left'), -- now
    done INTEGER NOT NULL, -- results accepted from it
    failed INTEGER NOT NULL, -- attempts that failed or were lost under it
    first_ms INTEGER NOT NULL, -- first hello, ms
    seen_ms INTEGER NOT NULL -- last hello or change of state, ms
) STRICT;

CREATE TABLE attempt ( -- one try of a job on a worker
    job INTEGER NOT NULL REFERENCES job (id), -- the job
    attempt INTEGER NOT NULL CHECK (attempt >= 1), -- counts from 1
    worker INTEGER NOT NULL REFERENCES worker (id), -- who had it
    state TEXT NOT NULL CHECK (state = 'running' OR state = 'done' OR state = 'failed' OR state = 'lost' OR state = 'superseded'), -- superseded: lost, and a result came too late; or its result was made anew
    cause TEXT, -- why it ended other than by success; 'diverged' on a result
    message TEXT, -- the same as a sentence
    started_ms INTEGER NOT NULL, -- handed out, ms
    ended_ms INTEGER, -- result committed, or given up, ms
    seconds REAL, -- wall time of the trial, s
    cpu_seconds REAL, -- processor time of the trial, s
    rss_bytes INTEGER, -- peak resident memory, bytes
    provenance TEXT, -- JSON: version, kernels, blas core type, cpu, host, data hash
    log TEXT, -- tail of the trial's output
    PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_running ON attempt (worker) WHERE state = 'running';

CREATE TABLE event ( -- append-only; a job's events, replayed, give its state
    id INTEGER PRIMARY KEY, -- order of commit
    at_ms INTEGER NOT NULL, -- when, ms
    job INTEGER NOT NULL REFERENCES job (id), -- the job
    attempt INTEGER NOT NULL, -- the job's latest attempt then; 0: none yet
    event TEXT NOT NULL, -- submit ready start finish fail requeue cancel skip retry revive rerun stop
    cause TEXT, -- exit signal oom timeout worker-lost preempted diverged dependency data condition
    detail TEXT -- a sentence
) STRICT;
CREATE INDEX event_job ON event (job);

CREATE TABLE artifact ( -- stored bytes, by content; the files lie beside this one
    hash TEXT PRIMARY KEY, -- of the bytes, 32 hex digits
    size INTEGER NOT NULL, -- bytes
    at_ms INTEGER NOT NULL -- complete and verified, ms
) STRICT, WITHOUT ROWID;

CREATE TABLE result ( -- exactly one per job that is done
    job INTEGER PRIMARY KEY REFERENCES job (id), -- the job
    attempt INTEGER NOT NULL, -- that gave it
    epochs INTEGER NOT NULL, -- completed
    steps INTEGER NOT NULL, -- of the optimizer
    seconds REAL NOT NULL, -- wall time of the trial, s
    diverged INTEGER NOT NULL CHECK (diverged IN (0, 1)), -- 1: a batch loss was not finite, and training ended there
    at_ms INTEGER NOT NULL -- committed, ms
) STRICT;

CREATE TABLE checkpoint ( -- a state of a run, or a file that a probe leaves
    job INTEGER NOT NULL REFERENCES job (id), -- the run, or probe
    name TEXT NOT NULL, -- 'init', 'final', 'best', 'step:k', 'epoch:k'; of a probe 'examples', of its parts 'part'
    hash TEXT NOT NULL, -- of the safetensors file's bytes
    epoch INTEGER NOT NULL, -- epochs completed
    step INTEGER NOT NULL, -- steps done
    size INTEGER NOT NULL, -- bytes
    stored INTEGER NOT NULL CHECK (stored IN (0, 1)), -- 1: an artifact; 0: derived anew
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluation ( -- of a run, after an epoch; see the view history
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

CREATE TABLE point ( -- of a probe's curve; see the view curves
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- group of tensors that moves: 'all', 'conv1', ...
    bn TEXT NOT NULL, -- running statistics: interp recompute end start batch none
    split TEXT NOT NULL, -- 'train', 'test'
    alpha_index INTEGER NOT NULL, -- place on the grid, from 0; then the refined points, then those that the curve asked for
    alpha REAL NOT NULL, -- 0: state a, 1: state b
    n INTEGER NOT NULL CHECK (n > 0), -- examples
    correct INTEGER NOT NULL CHECK (correct BETWEEN 0 AND n), -- right answers
    nan_count INTEGER NOT NULL, -- examples whose loss is NaN
    inf_count INTEGER NOT NULL, -- examples whose loss is infinite
    sum REAL NOT NULL, -- of the finite losses, nats
    sum_sq REAL NOT NULL, -- of their squares, nats^2
    PRIMARY KEY (job, grp, bn, split, alpha_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE distance ( -- between a probe's two states, parameters only
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- group of tensors
    l2 REAL, -- ||b - a||; NULL where it is not finite
    rel REAL, -- l2 / ||a||; NULL where that is not finite
    nonfinite TEXT CHECK (nonfinite IN ('nan', 'inf')), -- what l2 is instead
    PRIMARY KEY (job, grp)
) STRICT, WITHOUT ROWID;

-- Metrics of one curve between its two states: points beyond alpha 0 and 1 are
-- left out. loss_* is of the mean loss in nats, err_* of the error, 1 - accuracy. A
-- loss that is not finite lies above every number; what it makes infinite is NULL,
-- and nonfinite_points says so. With fewer than two points, or none that is finite,
-- there are no metrics but the ends and the largest.
CREATE TABLE path ( -- metrics of one curve; see the view paths
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- group of tensors that moves
    bn TEXT NOT NULL, -- as point.bn
    split TEXT NOT NULL, -- as point.split
    points INTEGER NOT NULL, -- of the curve, alpha 0 to 1
    nonfinite_points INTEGER NOT NULL, -- of those, whose loss is NaN or infinite
    tolerance REAL NOT NULL, -- largest bump that counts as monotone
    loss_chance REAL NOT NULL, -- of guessing: ln K, nats
    loss_start REAL, -- at alpha 0, nats; NULL: not on the grid, or not finite
    loss_end REAL, -- at alpha 1, nats; NULL: not on the grid, or not finite
    loss_max REAL, -- the largest, nats
    loss_alpha_max REAL, -- where it is; or the first that is not finite
    loss_bump REAL, -- largest rise, max over i<j of L_j - L_i, nats
    loss_monotone INTEGER, -- 1: bump <= tolerance; 0 too where the bump is infinite
    loss_barrier_linear REAL, -- largest height above the straight line, nats
    loss_barrier_mean REAL, -- max - (start + end) / 2, nats
    loss_barrier_init REAL, -- max - start, nats
    loss_interior_bump REAL, -- height of the highest interior maximum, nats
    loss_alpha_star REAL, -- where that is; NULL: there is none
    loss_plateau REAL, -- alpha up to which L is within 5 % of chance; NULL: it does not start there
    err_chance REAL NOT NULL, -- of guessing: 1 - 1/K
    err_start REAL, -- at alpha 0, fraction; NULL: not on the grid
    err_end REAL, -- at alpha 1, fraction; NULL: not on the grid
    err_max REAL, -- the largest, fraction
    err_alpha_max REAL, -- where it is
    err_bump REAL, -- largest rise, fraction
    err_monotone INTEGER, -- 1: bump <= tolerance
    err_barrier_linear REAL, -- largest height above the straight line, fraction
    err_barrier_mean REAL, -- max - (start + end) / 2, fraction
    err_barrier_init REAL, -- max - start, fraction
    err_interior_bump REAL, -- height of the highest interior maximum, fraction
    err_alpha_star REAL, -- where that is; NULL: there is none
    err_plateau REAL, -- alpha up to which the error is within 5 % of chance
    err_chance_share REAL, -- share of the points within 5 % of chance
    PRIMARY KEY (job, grp, bn, split)
) STRICT, WITHOUT ROWID;
