-- Schema 4: what probes tell beyond the points of a line.

ALTER TABLE point ADD COLUMN origin TEXT NOT NULL DEFAULT 'grid'; -- how it came to be: 'grid', 'refine' near a point, 'adapt' where a line missed the curve
-- Differences of an example's loss here to its loss at the curve's point at alpha 0,
-- and at alpha 1, over all n examples; NULL where there is no such point, or a loss of
-- either is not finite.
ALTER TABLE point ADD COLUMN start_sum REAL; -- to alpha 0, nats
ALTER TABLE point ADD COLUMN start_sq REAL; -- of their squares, nats^2
ALTER TABLE point ADD COLUMN end_sum REAL; -- to alpha 1, nats
ALTER TABLE point ADD COLUMN end_sq REAL; -- of their squares, nats^2

ALTER TABLE path ADD COLUMN loss_bump_from REAL; -- alpha from which the loss rises by loss_bump; NULL: it does not
ALTER TABLE path ADD COLUMN loss_bump_to REAL; -- alpha to which it does

CREATE TABLE rise ( -- the largest rise of a curve's loss, example by example
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- as point.grp
    bn TEXT NOT NULL, -- as point.bn
    split TEXT NOT NULL, -- as point.split
    alpha_from REAL NOT NULL, -- where it begins
    alpha_to REAL NOT NULL, -- where it ends
    n INTEGER NOT NULL CHECK (n > 0), -- examples
    sum REAL NOT NULL, -- of the differences of their losses, nats
    sum_sq REAL NOT NULL, -- of the squares of these, nats^2
    PRIMARY KEY (job, grp, bn, split)
) STRICT, WITHOUT ROWID;

DROP VIEW curves;
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
       coalesce(c.value, '') AS start
FROM sweep_job m
JOIN point p ON p.job = m.job
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b'
LEFT JOIN job_param c ON c.job = m.job AND c.name = 'probe.start';

DROP VIEW paths;
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
       coalesce(c.value, '') AS start
FROM sweep_job m
JOIN path p ON p.job = m.job
LEFT JOIN distance d ON d.job = p.job AND d.grp = p.grp
LEFT JOIN rise r ON r.job = p.job AND r.grp = p.grp AND r.bn = p.bn
    AND r.split = p.split AND r.alpha_from = p.loss_bump_from
    AND r.alpha_to = p.loss_bump_to
LEFT JOIN dep a ON a.job = m.job AND a.role = 'a'
LEFT JOIN dep b ON b.job = m.job AND b.role = 'b'
LEFT JOIN job_param c ON c.job = m.job AND c.name = 'probe.start';

CREATE TABLE class_point ( -- one class of one point; see the view class_curves
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- as point.grp
    bn TEXT NOT NULL, -- as point.bn
    split TEXT NOT NULL, -- as point.split
    alpha_index INTEGER NOT NULL, -- as point.alpha_index
    class INTEGER NOT NULL, -- label, from 0
    n INTEGER NOT NULL CHECK (n > 0), -- examples with that label
    correct INTEGER NOT NULL CHECK (correct BETWEEN 0 AND n), -- right answers
    nan_count INTEGER NOT NULL, -- examples whose loss is NaN
    inf_count INTEGER NOT NULL, -- examples whose loss is infinite
    sum REAL NOT NULL, -- of the finite losses, nats
    sum_sq REAL NOT NULL, -- of their squares, nats^2
    PRIMARY KEY (job, grp, bn, split, alpha_index, class)
) STRICT, WITHOUT ROWID;

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

-- Parameters only. A number that is not finite, or that nothing defines (an angle to
-- a state that has not moved), is NULL.
CREATE TABLE place ( -- where a state s of run b lies; see the view trajectory
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- group of tensors
    state TEXT NOT NULL, -- 'step:k', 'epoch:k'
    alpha REAL, -- of the line's point nearest to s: <s - a, b - a> / ||b - a||^2
    dist REAL, -- from there to s
    rel REAL, -- dist / ||b - a||
    angle REAL, -- between s - a and b - a, degrees
    corner REAL, -- between s - a and b - s, degrees
    PRIMARY KEY (job, grp, state)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE plane ( -- directions of a plane; parameters only, NULL: not finite
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- group of tensors that moves
    x_l2 REAL, -- length of the direction from (0,0) to (1,0)
    y_l2 REAL, -- of that from (0,0) to (0,1)
    cosine REAL, -- of the angle between them; NULL too where one is 0 long
    PRIMARY KEY (job, grp)
) STRICT, WITHOUT ROWID;

CREATE TABLE plane_point ( -- of a probe's plane; see the view planes
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- as point.grp
    bn TEXT NOT NULL, -- as point.bn
    split TEXT NOT NULL, -- as point.split
    x_index INTEGER NOT NULL, -- place on the grid, from 0
    x REAL NOT NULL, -- (0,0): state a; (1,0): state b
    y_index INTEGER NOT NULL, -- place on the grid, from 0
    y REAL NOT NULL, -- (0,1): state c; or one step along a random direction
    n INTEGER NOT NULL CHECK (n > 0), -- examples
    correct INTEGER NOT NULL CHECK (correct BETWEEN 0 AND n), -- right answers
    nan_count INTEGER NOT NULL, -- examples whose loss is NaN
    inf_count INTEGER NOT NULL, -- examples whose loss is infinite
    sum REAL NOT NULL, -- of the finite losses, nats
    sum_sq REAL NOT NULL, -- of their squares, nats^2
    PRIMARY KEY (job, grp, bn, split, x_index, y_index)
) STRICT, WITHOUT ROWID;

-- u and v are where the point lies in the plane itself, in units of the parameters:
-- u along x, v at a right angle to it.
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
