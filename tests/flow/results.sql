-- Every result row of every job, under the job's key: what must be the same bytes
-- whoever computed it, how often it was interrupted and in what order. Times,
-- hosts and row numbers are left out.
SELECT j.key AS key, 'state' AS kind, c.name AS a, c.hash AS b, c.epoch AS c,
       c.step AS d, c.size AS e, '' AS f, '' AS g, '' AS h, '' AS i
FROM checkpoint c JOIN job j ON j.id = c.job
UNION ALL
SELECT j.key, 'evaluation', h.split, h.epoch, h.n, h.correct, h.nan_count,
       h.inf_count, h.sum, h.sum_sq, h.lr
FROM evaluation h JOIN job j ON j.id = h.job
UNION ALL
SELECT j.key, 'point', p.grp || ' ' || p.bn || ' ' || p.split, p.alpha_index, p.alpha,
       p.n, p.correct, p.nan_count, p.inf_count, p.sum, p.sum_sq
FROM point p JOIN job j ON j.id = p.job
UNION ALL
SELECT j.key, 'pairs', p.grp || ' ' || p.bn || ' ' || p.split, p.alpha_index, p.origin,
       p.start_sum, p.start_sq, p.end_sum, p.end_sq, '', ''
FROM point p JOIN job j ON j.id = p.job
UNION ALL
SELECT j.key, 'rise', r.grp || ' ' || r.bn || ' ' || r.split, r.alpha_from, r.alpha_to,
       r.n, r.sum, r.sum_sq, '', '', ''
FROM rise r JOIN job j ON j.id = r.job
UNION ALL
SELECT j.key, 'distance', d.grp, d.l2, d.rel, d.nonfinite, '', '', '', '', ''
FROM distance d JOIN job j ON j.id = d.job
UNION ALL
SELECT j.key, 'class', c.grp || ' ' || c.bn || ' ' || c.split, c.alpha_index, c.class,
       c.n, c.correct, c.nan_count, c.inf_count, c.sum, c.sum_sq
FROM class_point c JOIN job j ON j.id = c.job
UNION ALL
SELECT j.key, 'place', p.grp, p.state, p.alpha, p.dist, p.rel, p.angle, p.corner, '', ''
FROM place p JOIN job j ON j.id = p.job
UNION ALL
SELECT j.key, 'plane', p.grp, p.x_l2, p.y_l2, p.cosine, '', '', '', '', ''
FROM plane p JOIN job j ON j.id = p.job
UNION ALL
SELECT j.key, 'plane point', p.grp || ' ' || p.bn || ' ' || p.split,
       p.x_index || ' ' || p.y_index, p.x, p.y, p.n, p.correct,
       p.nan_count || ' ' || p.inf_count, p.sum, p.sum_sq
FROM plane_point p JOIN job j ON j.id = p.job
UNION ALL
SELECT j.key, 'path', p.grp || ' ' || p.bn || ' ' || p.split, p.loss_bump,
       p.loss_barrier_linear, p.loss_interior_bump, p.loss_alpha_star, p.loss_plateau,
       p.err_bump, p.err_barrier_linear, p.err_plateau
FROM path p JOIN job j ON j.id = p.job
ORDER BY 1, 2, 3, 4, 5
