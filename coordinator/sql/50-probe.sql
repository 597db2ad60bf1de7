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

-- Parameters only. A number that is not finite, or that nothing defines (an angle to
-- a state that has not moved), is NULL.
CREATE TABLE place ( -- where a state s of run b lies; see the view trajectory
    job INTEGER NOT NULL REFERENCES job (id), -- the probe
    grp TEXT NOT NULL, -- group of tensors
    state TEXT NOT NULL, -- 'init', 'best', 'step:k', 'epoch:k'
    alpha REAL, -- of the line's point nearest to s: <s - a, b - a> / ||b - a||^2
    dist REAL, -- from there to s
    rel REAL, -- dist / ||b - a||
    angle REAL, -- between s - a and b - a, degrees
    corner REAL, -- between s - a and b - s, degrees
    PRIMARY KEY (job, grp, state)
) STRICT, WITHOUT ROWID;

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
