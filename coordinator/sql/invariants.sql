-- What must hold in every database at rest, whatever was killed on the way. Each
-- column counts violations; all are 0.
WITH last AS (
    SELECT job, event, max(id) FROM event GROUP BY job
), step AS (
    SELECT event, attempt, lag(event) OVER job_order AS before,
           lag(attempt) OVER job_order AS attempt_before
    FROM event WINDOW job_order AS (PARTITION BY job ORDER BY id)
), counted AS (
    SELECT m.sweep AS sweep, j.state AS state, count(DISTINCT j.id) AS n
    FROM sweep_job m JOIN job j ON j.id = m.job GROUP BY m.sweep, j.state
)
SELECT
    -- N points, N results: a job that is done has one, no other job has any
    (SELECT count(*) FROM job j LEFT JOIN result r ON r.job = j.id
     WHERE (j.state = 'done') <> (r.job IS NOT NULL)) AS lost_or_early,
    -- committed once: one attempt of a done job is done, and it is the result's
    (SELECT count(*) FROM result r WHERE 1 <> (SELECT count(*) FROM attempt t
        WHERE t.job = r.job AND t.state = 'done')
     OR NOT EXISTS (SELECT 1 FROM attempt t WHERE t.job = r.job
        AND t.attempt = r.attempt AND t.state = 'done')) AS doubled,
    -- a job that has ended has no attempt that runs
    (SELECT count(*) FROM attempt t JOIN job j ON j.id = t.job
     WHERE t.state = 'running'
       AND (j.state <> 'running' OR t.attempt <> j.attempt)) AS stray,
    -- the events, replayed, give the state
    (SELECT count(*) FROM job j LEFT JOIN last e ON e.job = j.id
     WHERE j.state IS NOT CASE e.event
        WHEN 'submit' THEN 'waiting' WHEN 'retry' THEN 'waiting'
        WHEN 'revive' THEN 'waiting' WHEN 'rerun' THEN 'waiting' WHEN 'ready' THEN 'ready'
        WHEN 'requeue' THEN 'ready' WHEN 'start' THEN 'running'
        WHEN 'finish' THEN 'done' WHEN 'fail' THEN 'failed'
        WHEN 'cancel' THEN 'cancelled' WHEN 'skip' THEN 'skipped'
        WHEN 'stop' THEN 'stopped' END) AS replay,
    -- each event was allowed after the one before, and only a start is an attempt
    (SELECT count(*) FROM step WHERE attempt <> coalesce(attempt_before, 0)
        + (event = 'start') OR NOT CASE event
        WHEN 'submit' THEN before IS NULL
        WHEN 'ready' THEN before IN ('submit', 'retry', 'revive', 'rerun')
        WHEN 'skip' THEN before IN ('submit', 'retry', 'revive', 'rerun')
        WHEN 'start' THEN before IN ('ready', 'requeue')
        WHEN 'finish' THEN before = 'start' WHEN 'fail' THEN before = 'start'
        WHEN 'requeue' THEN before = 'start' WHEN 'stop' THEN before = 'start'
        WHEN 'cancel' THEN before IN ('submit', 'retry', 'revive', 'rerun', 'ready',
            'requeue', 'start')
        WHEN 'retry' THEN before IN ('fail', 'cancel', 'stop')
        WHEN 'revive' THEN before = 'skip'
        WHEN 'rerun' THEN before IN ('finish', 'ready', 'requeue') ELSE 0 END) AS illegal,
    -- the counters that `status` reads are the counts
    (SELECT count(*) FROM sweep_count c LEFT JOIN counted USING (sweep, state)
     WHERE c.n <> coalesce(counted.n, 0)) AS counters,
    -- every stored state of a result is an artifact
    (SELECT count(*) FROM checkpoint c LEFT JOIN artifact a ON a.hash = c.hash
     WHERE c.stored AND a.hash IS NULL) AS missing
