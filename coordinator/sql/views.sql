-- The views that users and scripts rely on: columns are added, never renamed.
-- loss is the mean cross-entropy in nats per example, accuracy a fraction. A loss
-- that is not finite is NULL and `nonfinite` says 'nan' or 'inf'.
-- One row per place in a sweep: a job that two sweeps ask for is listed in both.

-- Views that join a run's evaluations take these: SQLite would read a union whole.
DROP VIEW IF EXISTS evaluations;
CREATE VIEW evaluations AS -- of runs that have a result, epoch by epoch
SELECT job, epoch, split,
       iif(nan_count + inf_count = 0, sum / n, NULL) AS loss,
       iif(nan_count + inf_count = 0,
           iif(n < 2, 0.0,
               sqrt(max(0.0, (sum_sq - sum * sum / n) / (n - 1)) / n)),
           NULL) AS loss_se,
       CASE WHEN nan_count > 0 THEN 'nan' WHEN inf_count > 0 THEN 'inf' END
           AS nonfinite,
       1.0 * correct / n AS accuracy,
       n, lr, seconds
FROM evaluation;

DROP VIEW IF EXISTS history;
CREATE VIEW history AS -- a run's evaluations, epoch by epoch; of one without a result: so far
SELECT * FROM evaluations
UNION ALL
SELECT job, epoch, split,
       iif(nan_count + inf_count = 0, sum / n, NULL) AS loss,
       iif(nan_count + inf_count = 0,
           iif(n < 2, 0.0,
               sqrt(max(0.0, (sum_sq - sum * sum / n) / (n - 1)) / n)),
           NULL) AS loss_se,
       CASE WHEN nan_count > 0 THEN 'nan' WHEN inf_count > 0 THEN 'inf' END
           AS nonfinite,
       1.0 * correct / n AS accuracy,
       n, lr, seconds
FROM report;

DROP VIEW IF EXISTS params;
CREATE VIEW params AS -- a run's options: not the default, or varied by a sweep
SELECT j.id AS job, v.name AS name, v.value AS value
FROM job j JOIN option_value v ON v.options = j.options
UNION ALL
SELECT j.id, v.name, v.value FROM job j JOIN option_value v ON v.options = j.seeds
UNION ALL
SELECT job, name, value FROM job_param;

DROP VIEW IF EXISTS runs;
CREATE VIEW runs AS -- one row per training run, with its final evaluation
SELECT m.sweep AS sweep, j.id AS job, j.key AS key,
       m.intervention AS intervention, m.role AS role, m.seed AS seed,
       m.point AS point, j.state AS state, r.epochs AS epochs,
       tr.loss AS train_loss, tr.accuracy AS train_acc,
       te.loss AS test_loss, te.accuracy AS test_acc,
       r.seconds AS seconds,
       tr.nonfinite AS train_nonfinite, te.nonfinite AS test_nonfinite,
       tr.loss_se AS train_loss_se, te.loss_se AS test_loss_se,
       r.steps AS steps, r.diverged AS diverged, j.attempt AS attempts,
       j.cause AS cause
FROM sweep_job m
JOIN job j ON j.id = m.job AND j.kind = 'train'
LEFT JOIN result r ON r.job = j.id
LEFT JOIN evaluations tr ON tr.job = j.id AND tr.split = 'train' AND tr.epoch =
    (SELECT max(epoch) FROM evaluation WHERE job = j.id AND split = 'train')
LEFT JOIN evaluations te ON te.job = j.id AND te.split = 'test' AND te.epoch =
    (SELECT max(epoch) FROM evaluation WHERE job = j.id AND split = 'test');

DROP VIEW IF EXISTS curves;
CREATE VIEW curves AS -- a probe's points
SELECT m.sweep AS sweep, p.job AS job, a.needs AS run_a, b.needs AS run_b,
       m.intervention AS intervention, m.role AS role, m.point AS point,
       m.probe AS probe, m.seed AS seed,
       p.grp AS grp, p.bn AS bn, p.split AS split,
       p.alpha_index AS alpha_index, p.alpha AS alpha, p.n AS n,
       iif(p.nan_count + p.inf_count = 0, p.sum / p.n, NULL) AS loss,
       iif(p.nan_count + p.inf_count = 0,
           iif(p.n < 2, 0.0,
               sqrt(max(0.0, (p.sum_sq - p.sum * p.sum / p.n) / (p.n - 1))
                    / p.n)),
           NULL) AS loss_se,
       CASE WHEN p.nan_count > 0 THEN 'nan' WHEN p.inf_count > 0 THEN 'inf' END
           AS nonfinite,
       1.0 * p.correct / p.n AS accuracy,
       a.state AS state_a, b.state AS state_b,
       p.origin AS origin,
       p.start_sum / p.n AS diff_start,
       iif(p.n < 2, 0.0 * p.start_sum,
           sqrt(max(0.0, (p.start_sq - p.start_sum * p.start_sum / p.n)
                         / (p.n - 1)) / p.n)) AS diff_start_se,
       p.end_sum / p.n AS diff_end,
       iif(p.n < 2, 0.0 * p.end_sum,
           sqrt(max(0.0, (p.end_sq - p.end_sum * p.end_sum / p.n)
                         / (p.n - 1)) / p.n)) AS diff_end_se,
       coalesce(o.value, c.value, '') AS start
FROM sweep_job m
JOIN point p ON p.job = m.job
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b'
LEFT JOIN option_value o ON o.options = (SELECT options FROM job WHERE id = m.job)
    AND o.name = 'probe.start'
LEFT JOIN job_param c ON c.job = m.job AND c.name = 'probe.start';

DROP VIEW IF EXISTS paths;
CREATE VIEW paths AS -- metrics of a probe's curves: of the loss, and err_* of the error
SELECT m.sweep AS sweep, p.job AS job, a.needs AS run_a, b.needs AS run_b,
       m.intervention AS intervention, m.role AS role, m.point AS point,
       m.probe AS probe, m.seed AS seed,
       p.grp AS grp, p.bn AS bn, p.split AS split,
       loss_start, loss_end, loss_max, loss_alpha_max AS alpha_max,
       loss_bump AS bump, loss_monotone AS monotone,
       loss_barrier_linear AS barrier_linear,
       loss_barrier_mean AS barrier_mean, loss_barrier_init AS barrier_init,
       loss_interior_bump AS interior_bump, loss_alpha_star AS alpha_star,
       loss_plateau AS plateau,
       d.l2 AS dist_l2, d.rel AS dist_rel, d.nonfinite AS dist_nonfinite,
       points, nonfinite_points, tolerance, loss_chance AS chance,
       err_start, err_end, err_max, err_alpha_max, err_bump, err_monotone,
       err_barrier_linear, err_barrier_mean, err_barrier_init,
       err_interior_bump, err_alpha_star, err_plateau, err_chance,
       err_chance_share,
       a.state AS state_a, b.state AS state_b,
       loss_bump_from AS bump_from, loss_bump_to AS bump_to,
       iif(r.n < 2, 0.0,
           sqrt(max(0.0, (r.sum_sq - r.sum * r.sum / r.n) / (r.n - 1)) / r.n))
           AS bump_se,
       coalesce(o.value, c.value, '') AS start
FROM sweep_job m
JOIN path p ON p.job = m.job
LEFT JOIN distance d ON d.job = p.job AND d.grp = p.grp
LEFT JOIN rise r ON r.job = p.job AND r.grp = p.grp AND r.bn = p.bn
    AND r.split = p.split AND r.alpha_from = p.loss_bump_from
    AND r.alpha_to = p.loss_bump_to
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b'
LEFT JOIN option_value o ON o.options = (SELECT options FROM job WHERE id = m.job)
    AND o.name = 'probe.start'
LEFT JOIN job_param c ON c.job = m.job AND c.name = 'probe.start';

DROP VIEW IF EXISTS class_curves;
CREATE VIEW class_curves AS -- a probe's points, class by class
SELECT m.sweep AS sweep, c.job AS job, a.needs AS run_a, b.needs AS run_b,
       m.intervention AS intervention, m.role AS role, m.point AS point,
       m.probe AS probe, m.seed AS seed,
       c.grp AS grp, c.bn AS bn, c.split AS split,
       c.alpha_index AS alpha_index, p.alpha AS alpha, c.class AS class, c.n AS n,
       iif(c.nan_count + c.inf_count = 0, c.sum / c.n, NULL) AS loss,
       iif(c.nan_count + c.inf_count = 0,
           iif(c.n < 2, 0.0,
               sqrt(max(0.0, (c.sum_sq - c.sum * c.sum / c.n) / (c.n - 1))
                    / c.n)),
           NULL) AS loss_se,
       CASE WHEN c.nan_count > 0 THEN 'nan' WHEN c.inf_count > 0 THEN 'inf' END
           AS nonfinite,
       1.0 * c.correct / c.n AS accuracy,
       a.state AS state_a, b.state AS state_b
FROM sweep_job m
JOIN class_point c ON c.job = m.job
JOIN point p ON p.job = c.job AND p.grp = c.grp AND p.bn = c.bn AND p.split = c.split
    AND p.alpha_index = c.alpha_index
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b';

DROP VIEW IF EXISTS trajectory;
CREATE VIEW trajectory AS -- stored states of a run, seen from a probe's line
SELECT m.sweep AS sweep, p.job AS job, b.needs AS run,
       m.intervention AS intervention, m.role AS role, m.point AS point,
       m.probe AS probe, m.seed AS seed, p.grp AS grp,
       p.state AS state, c.epoch AS epoch, c.step AS step, p.alpha AS alpha,
       p.dist AS dist_line, p.rel AS dist_rel, p.angle AS angle,
       p.corner AS corner,
       a.needs AS run_a, a.state AS state_a, b.state AS state_b
FROM sweep_job m
JOIN place p ON p.job = m.job
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b'
LEFT JOIN checkpoint c ON c.job = b.needs AND c.name = p.state;

-- u and v are where the point lies in the plane itself, in units of the parameters:
-- u along x, v at a right angle to it.
DROP VIEW IF EXISTS planes;
CREATE VIEW planes AS -- points of a probe's planes
SELECT m.sweep AS sweep, p.job AS job, a.needs AS run_a, b.needs AS run_b,
       c.needs AS run_c, m.intervention AS intervention, m.role AS role,
       m.point AS point, m.probe AS probe, m.seed AS seed,
       p.grp AS grp, p.bn AS bn, p.split AS split,
       p.x_index AS x_index, p.x AS x, p.y_index AS y_index, p.y AS y, p.n AS n,
       iif(p.nan_count + p.inf_count = 0, p.sum / p.n, NULL) AS loss,
       iif(p.nan_count + p.inf_count = 0,
           iif(p.n < 2, 0.0,
               sqrt(max(0.0, (p.sum_sq - p.sum * p.sum / p.n) / (p.n - 1))
                    / p.n)),
           NULL) AS loss_se,
       CASE WHEN p.nan_count > 0 THEN 'nan' WHEN p.inf_count > 0 THEN 'inf' END
           AS nonfinite,
       1.0 * p.correct / p.n AS accuracy,
       p.x * d.x_l2 + p.y * d.y_l2 * d.cosine AS u,
       p.y * d.y_l2 * sqrt(1.0 - d.cosine * d.cosine) AS v,
       d.x_l2 AS x_l2, d.y_l2 AS y_l2, d.cosine AS cosine,
       a.state AS state_a, b.state AS state_b, c.state AS state_c
FROM sweep_job m
JOIN plane_point p ON p.job = m.job
LEFT JOIN plane d ON d.job = p.job AND d.grp = p.grp
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b'
LEFT JOIN dep c ON c.job = m.job AND c.role = 'c';

-- Means and standard deviations (n - 1; NULL for one seed) over seeds. The
-- deviations are taken from the mean, in a second pass: differences of large
-- sums would show a spread where there is none. n_X counts the rows that have X;
-- means and deviations are over the rows that have the number.
DROP VIEW IF EXISTS summary;
CREATE VIEW summary AS -- the paths of a sweep, over seeds
WITH row AS (
    SELECT p.*, te.accuracy AS test_acc
    FROM paths p
    LEFT JOIN evaluations te ON te.job = p.run_b AND te.split = 'test' AND te.epoch
        = (SELECT max(epoch) FROM evaluation
           WHERE job = p.run_b AND split = 'test')
), mean AS (
    SELECT sweep, intervention, point, probe, grp, bn, split,
           count(*) AS n, count(bump) AS n_bump, count(test_acc) AS n_test_acc,
           count(dist_l2) AS n_dist, avg(test_acc) AS test_acc,
           avg(loss_start) AS loss_start, avg(loss_end) AS loss_end,
           avg(loss_max) AS loss_max, avg(bump) AS bump,
           avg(monotone) AS monotone, avg(barrier_linear) AS barrier_linear,
           avg(barrier_mean) AS barrier_mean,
           avg(interior_bump) AS interior_bump,
           avg(dist_l2) AS dist_l2, avg(dist_rel) AS dist_rel
    FROM row GROUP BY sweep, intervention, point, probe, grp, bn, split
)
SELECT m.sweep AS sweep, m.intervention AS intervention, m.point AS point,
       m.probe AS probe, m.grp AS grp, m.bn AS bn, m.split AS split,
       m.n AS n,
       m.n_test_acc AS n_test_acc, m.test_acc AS test_acc_mean,
       sqrt(sum((r.test_acc - m.test_acc) * (r.test_acc - m.test_acc))
            / (count(r.test_acc) - 1)) AS test_acc_sd,
       m.n_bump AS n_bump, m.bump AS bump_mean,
       sqrt(sum((r.bump - m.bump) * (r.bump - m.bump))
            / (count(r.bump) - 1))
           AS bump_sd,
       m.monotone AS monotone_share,
       m.loss_start AS loss_start_mean,
       sqrt(sum((r.loss_start - m.loss_start) * (r.loss_start - m.loss_start))
            / (count(r.loss_start) - 1)) AS loss_start_sd,
       m.loss_end AS loss_end_mean,
       sqrt(sum((r.loss_end - m.loss_end) * (r.loss_end - m.loss_end))
            / (count(r.loss_end) - 1)) AS loss_end_sd,
       m.loss_max AS loss_max_mean,
       sqrt(sum((r.loss_max - m.loss_max) * (r.loss_max - m.loss_max))
            / (count(r.loss_max) - 1)) AS loss_max_sd,
       m.barrier_linear AS barrier_linear_mean,
       sqrt(sum((r.barrier_linear - m.barrier_linear)
                * (r.barrier_linear - m.barrier_linear))
            / (count(r.barrier_linear) - 1)) AS barrier_linear_sd,
       m.barrier_mean AS barrier_mean_mean,
       sqrt(sum((r.barrier_mean - m.barrier_mean)
                * (r.barrier_mean - m.barrier_mean))
            / (count(r.barrier_mean) - 1)) AS barrier_mean_sd,
       m.interior_bump AS interior_bump_mean,
       sqrt(sum((r.interior_bump - m.interior_bump)
                * (r.interior_bump - m.interior_bump))
            / (count(r.interior_bump) - 1)) AS interior_bump_sd,
       m.n_dist AS n_dist, m.dist_l2 AS dist_l2_mean,
       sqrt(sum((r.dist_l2 - m.dist_l2) * (r.dist_l2 - m.dist_l2))
            / (count(r.dist_l2) - 1)) AS dist_l2_sd,
       m.dist_rel AS dist_rel_mean,
       sqrt(sum((r.dist_rel - m.dist_rel) * (r.dist_rel - m.dist_rel))
            / (count(r.dist_rel) - 1)) AS dist_rel_sd
FROM mean m JOIN row r USING (sweep, intervention, point, probe, grp, bn, split)
GROUP BY m.sweep, m.intervention, m.point, m.probe, m.grp, m.bn, m.split;

DROP VIEW IF EXISTS progress;
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
       s.max_running AS max_running,
       sum(iif(c.state = 'stopped', c.n, 0)) AS stopped
FROM sweep s JOIN sweep_count c ON c.sweep = s.name
GROUP BY s.id;

DROP VIEW IF EXISTS failures;
CREATE VIEW failures AS -- jobs that failed, or were skipped because one failed
SELECT j.sweep AS sweep, j.id AS job, j.kind AS kind, j.key AS key,
       j.state AS state, j.cause AS cause, j.reason AS message,
       j.attempt AS attempts, w.host AS host, t.log AS log,
       j.ended_ms AS ended_ms
FROM job j
LEFT JOIN attempt t ON t.job = j.id AND t.attempt = j.attempt
LEFT JOIN worker w ON w.id = t.worker
WHERE j.state IN ('failed', 'skipped') -- word by word the condition of an index
  AND (j.state = 'failed' OR j.cause IS NOT 'condition');

DROP VIEW IF EXISTS derived_states;
CREATE VIEW derived_states AS -- states made from others, and where on a line they lie
SELECT m.sweep AS sweep, j.id AS job, j.key AS key, substr(m.intervention, 8) AS name,
       m.seed AS seed, m.point AS point, coalesce(o.value, k.value) AS kind, j.state AS state,
       a.needs AS run_a, a.state AS state_a, b.needs AS run_b, b.state AS state_b,
       p.needs AS probe, d.alpha AS alpha, j.cause AS cause, j.reason AS reason
FROM sweep_job m
JOIN job j ON j.id = m.job AND j.kind = 'derive'
LEFT JOIN option_value o ON o.options = j.options AND o.name = 'derive.kind'
LEFT JOIN job_param k ON k.job = j.id AND k.name = 'derive.kind'
LEFT JOIN derived d ON d.job = j.id
LEFT JOIN dep a ON a.job = j.id AND a.role = 'a'
LEFT JOIN dep b ON b.job = j.id AND b.role = 'b'
LEFT JOIN dep p ON p.job = j.id AND p.role = 'probe';

DROP VIEW IF EXISTS workers;
CREATE VIEW workers AS -- the daemons, and what they have in hand
SELECT id, uuid, host, pid, slots, threads, cores, state,
       (SELECT count(*) FROM attempt t
        WHERE t.worker = w.id AND t.state = 'running') AS running,
       done, failed, first_ms, seen_ms, labels, memory, leaves_ms,
       (SELECT reason FROM quarantine q WHERE q.worker = w.id) AS quarantine
FROM worker w;

-- A worker whose memory is not said is taken to have enough.
DROP VIEW IF EXISTS fits;
CREATE VIEW fits AS -- which connected workers may get jobs of which sweeps
SELECT s.name AS sweep, w.id AS worker, w.host AS host
FROM sweep s JOIN worker w ON w.state = 'connected'
    AND w.slots * w.threads >= s.cores
    AND (s.memory = 0 OR w.memory = 0 OR w.memory >= s.memory)
WHERE NOT EXISTS (SELECT value FROM json_each(s.labels)
                  EXCEPT SELECT value FROM json_each(w.labels))
  AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.worker = w.id);

DROP VIEW IF EXISTS troubles;
CREATE VIEW troubles AS -- why ready jobs wait that should not, a sentence each
SELECT s.name AS sweep, 'no connected worker can take jobs of ' || s.name ||
       iif(s.cores + s.memory = 0 AND s.labels = '[]', '', ', which need' ||
           iif(s.cores > 0, ' cores = ' || s.cores, '') ||
           iif(s.memory > 0, ' memory = ' || printf('%.9g', round(s.memory / 1e9, 3)) || ' GB', '')
           || iif(s.labels <> '[]', ' labels = ' || s.labels, '')) AS text
FROM sweep s JOIN sweep_count c ON c.sweep = s.name AND c.state = 'ready' AND c.n > 0
WHERE EXISTS (SELECT 1 FROM worker WHERE state = 'connected')
  AND NOT EXISTS (SELECT 1 FROM fits f WHERE f.sweep = s.name)
UNION ALL
SELECT NULL, 'worker ' || w.id || ' (' || w.host || ') gets no jobs: ' || q.reason ||
       '; "coord worker resume ' || w.id || '" ends that'
FROM quarantine q JOIN worker w ON w.id = q.worker AND w.state = 'connected';
